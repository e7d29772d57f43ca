"""
JSON-RPC 2.0 on standard input and output: one message a line, one method for each row of the table of operations.

``command`` is the way in; ``server`` reads, ``conversation`` hands out and answers, ``methods`` knows what can be
asked for, ``subscriptions`` tells of changes, and ``streams``, ``frames`` and ``messages`` are the transport.
"""
