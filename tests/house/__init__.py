"""Tests of the house itself: what is shipped, what is loaded, and who may import whom."""
