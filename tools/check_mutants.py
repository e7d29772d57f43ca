"""
The modules named in tools/mutants.toml are changed a little, and the tests named there notice.

    python tools/check_mutants.py [MODULE ...]     default: all of them; "decide" is "domain/decide"

One change at a time, such as `<` for `<=`; mutmut makes them, in a copy of the sources. Prints which changes no
test noticed, and for each module how many it did. A change by which a test does not end is noticed. What mutmut leaves
as it is: constants of a module, and functions with a decorator, so properties too.
"""

import importlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

TOOLS = Path(__file__).parent
CONFIGURATION = tomllib.loads((TOOLS / "mutants.toml").read_text("utf-8"))
MODULES: dict[str, list[str]] = CONFIGURATION["modules"]
COPIED = ["src", "tests", "tools", "pyproject.toml"]
QUIET = ["-n0", "-p", "no:cacheprovider"]
SURVIVED = {0}
ENDLESS = {24, 36, 152, 255, -24}
"""Exit codes by which mutmut says that the tests did not end."""
UNTRIED = {None, 2, 5, 33, 34}
"""Exit codes by which mutmut says that no test, or no change, was run at all."""


def main(chosen: list[str]) -> int:
    modules = list(dict.fromkeys(found for name in chosen for found in modules_called(name)))
    tallies = []
    for module in modules or MODULES:
        with tempfile.TemporaryDirectory(prefix="realmconf-mutants-") as folder:
            tallies.append(tally(Path(folder), module))
    print(*tallies, sep="\n")
    return 0


def modules_called(name: str) -> list[str]:
    found = [module for module in MODULES if f"/{module}".endswith(f"/{name}")]
    if not found:
        sys.exit(f'No module is called "{name}". There are: {", ".join(MODULES)}')
    return found


def tally(folder: Path, module: str) -> str:
    """Try all changes of *module* in *folder*, print what survived; one line with the count."""
    source = f"src/realmconf/{module}.py"
    prepare(folder, source, MODULES[module])
    log = folder / "log"
    with log.open("wb") as output:
        command = [sys.executable, "-m", "mutmut", "run", "--max-children", str(os.cpu_count())]
        subprocess.run(command, cwd=folder, stdout=output, stderr=subprocess.STDOUT, check=False)
    written = folder / "mutants" / f"{source}.meta"
    codes = json.loads(written.read_text("utf-8"))["exit_code_by_key"] if written.exists() else {}
    if all(code is None for code in codes.values()):
        sys.exit(f"{module}: no change was tried.\n{log.read_text('utf-8', 'replace')[-2_000:]}")
    survivors = [name for name, code in codes.items() if code in SURVIVED]
    untried = [name for name, code in codes.items() if code in UNTRIED]
    for name in survivors + untried:
        print(difference(folder, name, source), flush=True)
    killed = len(codes) - len(survivors) - len(untried)
    share = 100 * killed / len(codes)
    endless = sum(code in ENDLESS for code in codes.values())
    line = (
        f"{module}: {killed} of {len(codes)} noticed ({share:.1f} %), {endless} of them since a test did not end; "
        f"{len(untried)} reached by no test"
    )
    print(line, flush=True)
    return line


def prepare(folder: Path, source: str, tests: list[str]) -> None:
    for name in COPIED:
        copy = shutil.copytree if Path(name).is_dir() else shutil.copy2
        copy(name, folder / name)
    configured = {
        "source_paths": ["src"],
        "only_mutate": [source],
        "do_not_mutate_patterns": CONFIGURATION["unchanged"],
        "also_copy": ["tools"],
        "pytest_add_cli_args_test_selection": tests,
        "pytest_add_cli_args": QUIET,
        "use_git_change_detection": False,
        "track_dependencies": False,
        # The tests of one change take a second or two; one that goes round for ever is not waited for.
        "timeout_multiplier": 5.0,
        "timeout_constant": 5.0,
    }
    # JSON's texts, lists and numbers are TOML's too, and so are its true and false.
    lines = [f"{name} = {json.dumps(value)}\n" for name, value in configured.items()]
    with (folder / "pyproject.toml").open("a", encoding="utf-8") as written:
        written.writelines(["\n[tool.mutmut]\n", *lines])


def difference(folder: Path, name: str, source: str) -> str:
    applying = importlib.import_module("mutmut.mutation.diff_apply")
    before = Path.cwd()
    os.chdir(folder)
    try:
        return str(applying.get_diff_for_mutant(name, path=source))
    finally:
        os.chdir(before)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
