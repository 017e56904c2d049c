"""Will a model find this tool hard to use?"""
