"""Meerkat's own files as a store, live beside programs that know nothing of us."""
