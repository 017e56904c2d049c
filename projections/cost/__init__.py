"""Which model is asked, and what does it cost?"""
