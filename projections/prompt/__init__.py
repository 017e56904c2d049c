"""What is the model sent?"""
