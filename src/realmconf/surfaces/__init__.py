"""Ways in: each surface turns the same verbs into the manners of one transport, and decides nothing."""
