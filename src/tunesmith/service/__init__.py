"""Bundles behind HTTP: batched, metered, guarded. Nothing here trains; torch loads only where a bundle needs it."""
