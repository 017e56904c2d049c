"""What is an agent, a tool or a limit, as data that a run records?"""
