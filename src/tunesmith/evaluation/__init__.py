"""What a model is worth: figures with intervals, comparisons in words, checks, gates and reports."""
