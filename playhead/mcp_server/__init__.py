"""How do a log and its agents appear to MCP clients?"""
