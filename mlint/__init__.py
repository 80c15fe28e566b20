"""mlint: finds and fixes what wastes compute, breaks training or makes a run irreproducible in ML code."""

__version__ = "0.1.0"
