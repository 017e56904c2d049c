"""When does the memory role compress, recall and extract facts?"""
