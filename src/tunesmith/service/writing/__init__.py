"""Texts that a model writes for many clients at once, token by token."""
