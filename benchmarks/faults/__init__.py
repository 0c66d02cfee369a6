"""The job under faults: a live run with load, acts that break things, and a verdict against the replay."""
