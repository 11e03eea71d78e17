"""Files that are read whole, and files that replace others only when they are complete."""
