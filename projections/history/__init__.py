"""What happened in a run, why, and how does it differ from another?"""
