"""How is a log verified, backed up, archived, exported and imported?"""
