"""
The HTTP surface: the table of operations as routes, with the manners of HTTP.

Nothing here decides what an operation does, who may do it, or what is shown of its answer.
"""
