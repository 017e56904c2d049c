"""How is an agent defined?"""
