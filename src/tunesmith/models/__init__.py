"""Pretrained models: which one is meant, where it is, and the head that a task puts on it."""
