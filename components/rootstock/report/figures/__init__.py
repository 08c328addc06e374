"""Figures of the reports: inline SVG in the page's own colours, so that they follow dark mode and print."""
