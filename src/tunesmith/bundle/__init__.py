"""The bundle: the folder that a run writes and everything else reads."""
