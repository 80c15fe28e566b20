"""ML2: gradient modes, files, pools and global modes that are not entered, not left or have no effect."""
