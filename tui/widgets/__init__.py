"""What the screens are made of: each draws frozen records and knows no store."""
