"""A file for each solver library."""
