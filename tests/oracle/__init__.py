"""A slow, obvious recomputation of segment changes, written from docs/conditions.md alone; imports nothing from segments/."""
