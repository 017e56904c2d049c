"""Who are the four roles? Planner, executor, tool and memory."""
