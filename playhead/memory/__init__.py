"""How does a program reach facts and memories?"""
