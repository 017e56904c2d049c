"""How does one simulated process live on a virtual clock?"""
