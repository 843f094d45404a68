"""Tests of the importers: what a file tells is what the store then says, once."""
