"""What is the plan, and where does it stand?"""
