"""What runs beside the engine? Its thread, the list of runs, listeners, inbox, redaction."""
