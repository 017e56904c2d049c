"""How are an agent, its tools and models put together for the engine?"""
