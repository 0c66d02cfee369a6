"""The side job that fills in what a release lacks, from recorded events."""
