"""ML4: training loops and modules that do not learn what they should."""
