"""How is a projection kept beside the log?"""
