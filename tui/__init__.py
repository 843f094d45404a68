"""Look at runs in a terminal."""
