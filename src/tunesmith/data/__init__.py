"""Rows: read, understood, cleaned, divided. No torch here."""
