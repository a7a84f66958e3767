"""The back end that runs the real game through minerl, in an environment of its own."""
