"""How is an agent written down?"""
