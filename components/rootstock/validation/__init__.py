"""Validation: data checks, one a file."""
