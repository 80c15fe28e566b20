"""The checks of the runtime stage, one module for each or for a tight group; see `base` for the protocol."""
