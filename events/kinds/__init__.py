"""Which facts can a log hold, and how are they encoded?"""
