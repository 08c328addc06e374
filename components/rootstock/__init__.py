"""Rootstock: transfer learning that retrains itself, with evidence for every decision."""

__version__ = "0.1.0"
