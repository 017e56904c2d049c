"""Is what the model gave valid, and how is it told if not?"""
