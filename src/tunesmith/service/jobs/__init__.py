"""Jobs on files: uploaded, answered behind all other work, downloaded. All they know is in a folder."""
