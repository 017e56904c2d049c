"""Which spans does a run have?"""
