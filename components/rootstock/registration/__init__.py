"""Registration: the model registry."""
