"""
A store for others: what a server answers to a client that takes it for a store of its own.

Knows nothing of how requests come; each function takes a session and JSON, and gives JSON.
"""
