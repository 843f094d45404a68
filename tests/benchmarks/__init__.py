"""Print every figure that the documentation claims, as a ratio against a floor measured in the same run."""
