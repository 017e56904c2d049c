"""How does a turn run? The actor and its mailbox, effects, recovery, and children."""
