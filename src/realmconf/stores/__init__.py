"""Where realms are kept: one protocol, and its implementations, which never know each other."""
