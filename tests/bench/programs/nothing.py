"""An empty program, for the start of the interpreter."""
