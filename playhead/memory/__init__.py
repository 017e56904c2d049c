"""How does a program access facts and memories?"""
