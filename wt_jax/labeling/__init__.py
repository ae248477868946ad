"""Repetition starts marked by hand, in a window."""
