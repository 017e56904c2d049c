"""Which events can a log hold, and how are they encoded?"""
