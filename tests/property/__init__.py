"""Property tests: one law, many generated cases, a slow reference beside it."""
