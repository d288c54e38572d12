"""Bundles behind HTTP: batched, metered, guarded. Nothing here trains, and nothing loads torch unless a bundle needs it."""
