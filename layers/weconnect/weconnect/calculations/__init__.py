"""Calculations that agents call as tools and workflows use in nodes: arithmetic, and dates and times."""
