"""How does a turn run? Actor, mailbox, effects, recovery, children, and what answers a fork."""
