"""Data: modalities, splits, the DVC registry, the demo corpora."""
