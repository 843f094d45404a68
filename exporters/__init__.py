"""Send runs to other tools, one file each."""
