"""ML9: settings that cost quality or time without need."""
