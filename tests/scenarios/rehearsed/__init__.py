"""The table of rehearsals: scenarios of every family, pattern and mode, and of what may go wrong in them."""
