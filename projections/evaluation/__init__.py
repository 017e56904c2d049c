"""What does an evaluation say: how good, how sure, what changed?"""
