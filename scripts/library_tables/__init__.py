"""Reads the sources of the libraries, at several versions each, into the tables of `mlint.model.libraries`."""
