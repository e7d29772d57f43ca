"""
JSON Schemas: what one may contain, what it says of a place, whether a configuration fits and why it does not.

``schema`` and ``shape`` are what the rest of the library asks; the others serve these two.
"""
