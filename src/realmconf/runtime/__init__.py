"""The verbs: clients and realms over any store, synchronous, with an async face."""
