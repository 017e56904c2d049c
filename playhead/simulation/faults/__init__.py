"""What goes wrong in a simulation?"""
