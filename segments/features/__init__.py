"""Features: one aggregate a file, each shared by all conditions that read it."""
