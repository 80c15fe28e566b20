"""ML7: memory kept for too long and accelerators kept waiting."""
