"""Source-domain similarity: metrics, one a file."""
