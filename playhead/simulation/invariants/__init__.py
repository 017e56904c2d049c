"""What must hold after every simulation?"""
