"""Which events can a log hold? One file a subject."""
