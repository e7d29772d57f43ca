"""The command line: ``realmconf COMMAND``."""

from realmconf.surfaces.cli.entry import main

__all__ = ["main"]
