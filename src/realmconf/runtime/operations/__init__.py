"""
Everything that can be asked of a server or through a protocol, once: the table of operations.

``rows`` is the table; ``table`` says what a row is, ``kinds`` what a parameter may be, ``session`` who asks, and the
modules that rows name do the work.  A surface is a loop over the table and its transport's manners.
"""
