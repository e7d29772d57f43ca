"""The demonstration: one realm at work, with writers, a watcher and a person, in a folder that is removed."""
