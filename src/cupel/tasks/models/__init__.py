"""Models written by hand, where a library's own costs too much to import or is tied to more than we need."""
