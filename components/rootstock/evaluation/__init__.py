"""Evaluation: measures with intervals, the baseline ladder, gates one a file."""
