"""How does a tool run in a process of its own?"""
