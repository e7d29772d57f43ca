"""
Makes the servers available that the tests of engines start: what is missing is installed, or else unpacked.

    python tools/servers.py [--check] [--bench]

PostgreSQL and etcd are Debian's packages.  Who may install (root, on Debian or Ubuntu) has them installed; for anybody
else who has ``apt-get``, etcd is downloaded and unpacked below .cache/, where its tests look.  nats-server comes with
the test requirements.  --bench asks for Redis as well, which only the benchmarks stand beside.  With --check nothing is
changed.  What is missing at the end is named, and the exit code is 1.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

CACHE = Path(__file__).resolve().parents[1] / ".cache"
PACKAGES = {"postgresql": "initdb", "etcd-server": "etcd"}
"""Debian's package, and the program that is looked for."""
BENCH_PACKAGES = {"redis-server": "redis-server"}


def found(program: str) -> str | None:
    """Where *program* is: on the path, among PostgreSQL's own, or unpacked in the cache."""
    places = [
        *(Path("/usr/lib/postgresql").glob(f"*/bin/{program}")),
        *(CACHE.glob(f"*/usr/bin/{program}")),
    ]
    return shutil.which(program) or next((str(place) for place in places), None)


def install(packages: list[str]) -> None:
    """Install *packages*; the servers that they bring are not started."""
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for words in (
        ["apt-get", "update", "-qq"],
        ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages],
    ):
        subprocess.run(words, check=True, env=environment, stdout=subprocess.DEVNULL)


def unpack(package: str) -> None:
    """Download *package* and unpack it below the cache, as anybody may."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            ["apt-get", "download", "-qq", package],
            cwd=folder,
            check=True,
            stdout=subprocess.DEVNULL,
        )
        (archive,) = Path(folder).glob("*.deb")
        place = CACHE / package
        place.mkdir(parents=True, exist_ok=True)
        subprocess.run(["dpkg", "-x", archive, place], check=True)


def main(arguments: list[str]) -> int:
    """Do what is missing; how it went."""
    packages = PACKAGES | (BENCH_PACKAGES if "--bench" in arguments else {})
    missing = {package: program for package, program in packages.items() if not found(program)}
    if missing and "--check" not in arguments:
        if shutil.which("apt-get") is None:
            print("There is no apt-get here.", file=sys.stderr)
        elif os.geteuid() == 0:
            install(list(missing))
        elif "etcd-server" in missing:
            # PostgreSQL's programs look for their own files where they were built for: unpacked they do not run.
            unpack("etcd-server")
    for package, program in packages.items():
        place = found(program)
        print(f"{package}: {place or 'missing, please install it'}")
    return 0 if all(map(found, packages.values())) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
