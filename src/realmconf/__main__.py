"""``python -m realmconf`` is the command line."""

import sys

from realmconf.surfaces.cli import main

sys.exit(main())
