"""How does the planner choose a strategy, check a plan and advance it?"""
