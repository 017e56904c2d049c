"""What is the next model request, and which limits does it reserve?"""
