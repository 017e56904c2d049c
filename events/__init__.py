"""What happened? Events, records, the log that keeps them, and the errors users see."""
