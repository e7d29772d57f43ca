"""
What authors of stores, and we ourselves, hold a store to.

Each module is one way to find out: ``conformance`` (the contract, sentence by
sentence), ``model`` (what a store means, without any machinery), ``linearizability``
(whether a recorded history can be explained), ``faults`` (an input or output call that
fails, or a process that dies in it), ``torture`` (many processes, killed at random).
Nothing here is imported by the rest of the library.
"""
