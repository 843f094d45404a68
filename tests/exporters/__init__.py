"""Tests of the exporters, against receivers that decode what they are sent."""
