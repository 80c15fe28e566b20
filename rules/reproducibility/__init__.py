"""ML3: randomness that nobody can repeat."""
