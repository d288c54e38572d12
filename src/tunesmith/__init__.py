"""Tunesmith: from a pretrained model and your data to a proven bundle."""

__version__ = "0.1.0"
