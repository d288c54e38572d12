"""Who may ask: keys that are shown once and stored as a hash."""
