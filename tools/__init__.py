"""How does a decision reach the outside world: tools, models, MCP servers?"""
