"""ML6: leaks between the splits, and data that is read, joined or cleaned wrongly."""
