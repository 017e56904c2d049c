"""What does a function become, as a tool: its name, its schema, its result?"""
