"""
What configuration is and what may happen to it, as pure functions and values.

Nothing here touches a file, a clock, a thread or chance: what those supply is
passed in.
"""
