"""
No committed file names a package registry's host or a path of somebody's machine.

Addresses of registries bind everybody to one mirror; paths of one machine are wrong
on every other. Both slip in through copied output and generated files, so every
file that git knows is read, text or not.

    python tools/check_committed.py [FILE ...]     default: what git has committed or staged
"""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

# In parts, so that this file does not find itself.
HOSTS = [
    ("pypi", "org"),
    ("pythonhosted", "org"),
    ("pypi", "python", "org"),
    ("anaconda", "org"),
    ("npmjs", "org"),
    ("npmjs", "com"),
    ("yarnpkg", "com"),
    ("crates", "io"),
    ("rubygems", "org"),
    ("proxy", "golang", "org"),
    ("repo", "maven", "apache", "org"),
    ("repo1", "maven", "org"),
    ("deb", "debian", "org"),
    ("ftp", "debian", "org"),
    ("security", "debian", "org"),
    ("archive", "ubuntu", "com"),
    ("registry", "docker", "io"),
    ("ghcr", "io"),
]
PLACES = ["root", "work", "builds", "github/workspace"]

HOST = "|".join(r"\.".join(map(re.escape, parts)) for parts in HOSTS)
# A place counts where a path begins, not inside `<root>/x`, `a/work/b` or `$.root`.
PLACE = "|".join(map(re.escape, PLACES))
FORBIDDEN = re.compile(
    rf"(?P<host>(?<![\w-])(?:[\w-]+\.)*(?:{HOST})(?![\w-]))"
    rf"|(?P<place>(?<![\w.>}}~$)\]/-])/(?:{PLACE})/[\w.-]*)",
    re.IGNORECASE,
)
PLANTED = {
    "https://files." + "pythonhosted." + "org/x.whl": "host",
    "resolved from registry." + "npmjs." + "org": "host",
    "open('" + "/work" + "/main/x')": "place",
    "HOME=" + "/root" + "/": "place",
}
INNOCENT = ["<root>/.store", "https://example.org/root/x", "pypi organises", "$root/work/y"]


def findings(text: str) -> Iterator[tuple[int, str, str]]:
    """Yield line number, kind and wording of everything in *text* that may not be committed."""
    for number, line in enumerate(text.splitlines(), start=1):
        for match in FORBIDDEN.finditer(line):
            yield number, match.lastgroup or "", match.group()


def committed() -> list[Path]:
    listing = subprocess.run(["git", "ls-files", "-z"], check=True, capture_output=True)
    return [Path(name) for name in listing.stdout.decode().split("\0") if name]


def main(arguments: list[str]) -> int:
    for text, kind in PLANTED.items():
        if [found for _, found, _ in findings(text)] != [kind]:
            sys.exit(f"This check is broken: it does not see the {kind} in {text!r}")
    for text in INNOCENT:
        if list(findings(text)):
            sys.exit(f"This check is broken: it objects to {text!r}")

    files = [Path(name) for name in arguments] or committed()
    failures = 0
    for path in files:
        if not path.is_file():
            continue
        for number, kind, wording in findings(path.read_text("utf-8", errors="replace")):
            failures += 1
            what = "names a registry's host" if kind == "host" else "names a path of one machine"
            print(f"{path}:{number}: {what}: {wording}")
    if failures:
        return 1
    print(f"{len(files)} committed files name no registry and no path of somebody's machine")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
