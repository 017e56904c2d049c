"""How does a log live in one SQLite file?"""
