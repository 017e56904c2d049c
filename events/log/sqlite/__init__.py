"""How is a log stored in one SQLite file?"""
