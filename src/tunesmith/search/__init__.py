"""What to try or to label next: pure functions over figures that others measured."""
