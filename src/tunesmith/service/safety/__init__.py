"""What may be asked and answered: limits, filters, and what must not be written down."""
