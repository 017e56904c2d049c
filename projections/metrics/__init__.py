"""How do runs go? Counts, indicators and alert rules."""
