"""What a plan allows in a minute, a day and a month, and where it is counted."""
