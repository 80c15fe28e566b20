"""What the code means: names, kinds, flow and effects of one file, and of the files around it."""
