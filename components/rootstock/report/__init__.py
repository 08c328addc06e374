"""The decision report and the model card."""
