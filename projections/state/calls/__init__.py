"""How do model calls, tool calls and approvals change the state of a run?"""
