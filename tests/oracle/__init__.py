"""A slow, obvious recomputation of changes, written from docs/conditions.md alone; imports nothing from segments/."""
