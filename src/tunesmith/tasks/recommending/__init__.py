"""What the task ``recommendation`` is made of, a file an idea. NumPy alone, so that a service needs no torch."""
