"""Light foundations that every other room stands on: no torch, no transformers."""
