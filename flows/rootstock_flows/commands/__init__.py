"""Commands, one a file: each exposes ``command``."""
