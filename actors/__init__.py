"""Who decides what happens next? Roles, the engine that runs their turns, replay and forks."""
