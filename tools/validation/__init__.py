"""Is the model's input valid, and what is the model told if not?"""
