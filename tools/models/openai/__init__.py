"""How is a model asked that speaks OpenAI's protocols?"""
