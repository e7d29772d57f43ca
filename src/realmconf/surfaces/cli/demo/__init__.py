"""``demo``: one realm at work, with writers, a watcher and a person, in a folder that is removed at the end."""

from realmconf.surfaces.cli.demo.story import demo

__all__ = ["demo"]
