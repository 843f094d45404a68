"""Judge runs, one family of checks a file."""
