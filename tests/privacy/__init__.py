"""Nothing that is secret, or withheld, leaves any trace."""
