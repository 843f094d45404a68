"""Reports are read back as their readers read them."""
