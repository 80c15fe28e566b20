"""ML8: functions and arguments that the libraries have removed, deprecated or made unsafe."""
