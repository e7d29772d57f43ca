"""
What the pages point at exists: files, headings, make targets and commands.

    python tools/check_docs.py [PAGE ...]     default: every Markdown page of the project

Checked in each page: relative links and their anchors, `make TARGET`, and
`realmconf COMMAND` in code. Addresses on the web are not visited; what
a command prints is the business of the tests.
"""

import re
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COMMAND = Path(sysconfig.get_path("scripts")) / "realmconf"

FENCE = re.compile(r"^ {0,3}(```+|~~~+)[^\n]*\n(.*?)^ {0,3}\1[ \t]*$", re.MULTILINE | re.DOTALL)
INLINE_CODE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
LINK = re.compile(r"!?\[[^\]]*\]\(\s*<?([^)\s>]+)>?[^)]*\)")
HEADING = re.compile(r"^#{1,6}[ \t]+(.+?)[ \t]*#*[ \t]*$", re.MULTILINE)
MAKE = re.compile(r"(?:^|[$;&|][ \t]*|[ \t])make[ \t]+((?:[A-Z_]+=\S+[ \t]+)*)([a-z][a-z-]*)\b")
# Global options may stand before the command; those of them that take a value are named.
CALL = re.compile(
    r"(?:^|[$;&|(])[ \t]*realmconf"
    r"((?:[ \t]+(?:(?:--store|--realm|--author|--timeout|-o)(?:=|[ \t]+)\S+|--?[a-z][\w-]*))*)"
    r"[ \t]+([a-z][a-z-]*)\b"
)


def pages() -> list[Path]:
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "*.md"],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    names = sorted({name for name in listing.stdout.decode().split("\0") if name})
    return [ROOT / name for name in names if (ROOT / name).is_file()]


def split(text: str) -> tuple[str, list[str]]:
    """Take *text* apart into its prose and the lines of code in it."""
    code: list[str] = []
    for block in FENCE.finditer(text):
        code += block.group(2).splitlines()
    prose = FENCE.sub("", text)
    code += INLINE_CODE.findall(prose)
    return INLINE_CODE.sub(r"\1", prose), code


@cache
def anchors(page: Path) -> frozenset[str]:
    """Name the headings of *page* as a renderer would: lower case, dashes, doubles numbered."""
    prose = FENCE.sub("", page.read_text("utf-8"))
    names: set[str] = set()
    for heading in HEADING.findall(prose):
        plain = re.sub(r"[`*]|\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        name = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
        candidate, number = name, 0
        while candidate in names:
            number += 1
            candidate = f"{name}-{number}"
        names.add(candidate)
    return frozenset(names)


@cache
def targets() -> frozenset[str]:
    text = (ROOT / "Makefile").read_text("utf-8")
    return frozenset(re.findall(r"^([a-z][a-z-]*):(?!=)", text, re.MULTILINE))


@cache
def command_exists(name: str) -> bool:
    asked = subprocess.run([COMMAND, name, "--help"], capture_output=True, check=False, timeout=30)
    return asked.returncode == 0


def broken_links(page: Path, prose: str) -> Iterator[str]:
    for target in LINK.findall(prose):
        if re.match(r"[a-z][a-z0-9+.-]*:", target):
            continue
        name, _, anchor = target.partition("#")
        place = (page.parent / name) if name else page
        if not place.exists():
            yield f"the link {target} leads nowhere"
        elif anchor and place.suffix == ".md" and anchor not in anchors(place.resolve()):
            yield f"{name or 'the page'} has no heading #{anchor}"


def unknown_commands(code: list[str]) -> Iterator[str]:
    for line in code:
        if line.lstrip().startswith("#"):
            continue
        for _, name in MAKE.findall(line):
            if name not in targets():
                yield f"there is no `make {name}`"
        for _, name in CALL.findall(line):
            if not command_exists(name):
                yield f"there is no `realmconf {name}`"


def problems(page: Path) -> list[str]:
    prose, code = split(page.read_text("utf-8"))
    return [*broken_links(page, prose), *unknown_commands(code)]


def main(arguments: list[str]) -> int:
    chosen = [Path(name).resolve() for name in arguments] or pages()
    failures = 0
    for page in chosen:
        for problem in dict.fromkeys(problems(page)):
            failures += 1
            shown = page.relative_to(ROOT) if page.is_relative_to(ROOT) else page
            print(f"{shown}: {problem}")
    if failures:
        return 1
    print(f"{len(chosen)} pages: every link, heading, make target and command exists")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
