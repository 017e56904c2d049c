"""Which commands are there? One file a command."""
