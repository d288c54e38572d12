"""Plots as inline SVG text: no script, no font, no request. Colours are CSS variables of the page."""
