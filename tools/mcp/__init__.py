"""How are the tools of an MCP server used?"""
