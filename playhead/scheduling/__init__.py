"""Which runs start by themselves, and when?"""
