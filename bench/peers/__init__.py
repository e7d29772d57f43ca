"""
What people use today, and what realmconf re-implements, each as its users would write it.

A peer that promises less than realmconf (no durability, no watch, stale reads) says so in its docstring.
"""
