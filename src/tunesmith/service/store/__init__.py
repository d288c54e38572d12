"""What the service remembers: SQLite by default, PostgreSQL by URL."""
