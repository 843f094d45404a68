"""Connect frameworks to the seam, one file each. Nothing here is imported before it is used."""
