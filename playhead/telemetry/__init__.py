"""What leaves the process? Spans, metrics, alerts and the call log."""
