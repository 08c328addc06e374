"""Fine-tuning: methods, one a file, and the one training loop."""
