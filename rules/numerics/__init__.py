"""ML5: expressions that overflow, underflow or lose precision."""
