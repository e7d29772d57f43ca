"""
MCP: the table's tools for agents, over stdio and HTTP.

Nothing in this package is loaded before somebody serves MCP, since the SDK is heavy.
"""
