"""How sure a classifier may be: learned on rows that it did not train on, kept in the task's state."""
