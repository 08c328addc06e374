"""Labelling: query strategies, one a file, and what they have people label next."""
