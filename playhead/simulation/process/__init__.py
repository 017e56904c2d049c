"""How does one simulated process run on a virtual clock?"""
