"""What was answered, exact to the request: written ahead to a file, then counted once in the store."""
