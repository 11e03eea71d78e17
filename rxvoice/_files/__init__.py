"""Files that are read in whole, and files that replace others only once they are complete."""
