"""What may a decision look at? The state of a run, folded from its records."""
