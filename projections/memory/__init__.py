"""What does a namespace remember and know?"""
