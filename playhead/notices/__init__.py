"""Who is told that a run waits for a person, and what?"""
