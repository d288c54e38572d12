"""The page at /: what is served, a form to try it, and examples to copy."""
