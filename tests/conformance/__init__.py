"""The same conversations on every framework, held against one expected picture."""
