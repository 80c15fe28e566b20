"""What developers of mlint run; each file says how at its top."""
