"""ML1: Python loops over what the array libraries do in one call."""
