"""Monitoring: drift tests, one a file, and the retraining decision."""
