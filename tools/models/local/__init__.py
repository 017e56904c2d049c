"""How does the demonstration model run on this CPU?"""
