"""The way back: from what was answered to rows that a bundle can learn, and from a new bundle to those who ask."""
