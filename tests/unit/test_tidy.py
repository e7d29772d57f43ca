"""
The shape of the code, as far as a program can see it.

Every rule is a function from source text to offences, and is first shown a text that breaks it.
"""

import ast
import re
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from realmconf.errors import GenerationConflict, RealmconfError

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src"
MODULES = sorted((SOURCE / "realmconf").rglob("*.py"))

RANK = {
    "errors": 0,
    "domain": 1,
    "meerkat": 2,
    "stores": 3,
    "runtime": 4,
    "surfaces": 5,
    "testing": 5,
    "__main__": 6,
}
"""A layer imports from lower ranks; two layers of the same rank do not know each other."""

STORE_PARTS_OF_THE_RUNTIME = {"protocol", "registry"}

NOT_AT_IMPORT = [
    "asyncio",
    "dataclasses",
    "inspect",
    "logging",
    "pathlib",
    "pydantic",
    "tomllib",
    "tomlrt",
    "typing",
    "uuid",
]

Offences = Iterator[str]


def module_name(path: Path) -> str:
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def layer_of(module: str) -> str | None:
    """Name the layer of *module*; the package root is of none."""
    parts = module.split(".")
    return parts[1] if parts[0] == "realmconf" and len(parts) > 1 else None


def imported(tree: ast.AST, *, inside: str, is_package: bool = False) -> Iterator[tuple[int, str]]:
    """Yield line and absolute name of everything that *tree* imports, wherever it does."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            origin = node.module or ""
            if node.level:
                package = inside.split(".")
                up = node.level - 1 if is_package else node.level
                package = package[: len(package) - up]
                origin = ".".join([*package, *([origin] if origin else [])])
            for alias in node.names:
                yield node.lineno, f"{origin}.{alias.name}"


def upward_imports(text: str, *, module: str, is_package: bool = False) -> Offences:
    """Find imports against the layers, or around them through the package root."""
    layer = layer_of(module)
    if layer is None:
        return
    if layer not in RANK:
        yield f"1: {module} is in no layer"
        return
    for line, name in imported(ast.parse(text), inside=module, is_package=is_package):
        if name != "realmconf" and not name.startswith("realmconf."):
            continue
        other = layer_of(name)
        if other not in RANK:
            yield f"{line}: {name} comes from the package root, which hides the layer it is from"
        elif other != layer and RANK[other] >= RANK[layer]:
            yield f"{line}: {layer} imports {name}"
        elif layer == "surfaces" and other == "stores":
            yield f"{line}: a surface imports {name}; it reaches stores through the runtime"
        elif layer == "runtime" and other == "stores":
            part = name.split(".")[2] if name.count(".") > 1 else ""
            if part not in STORE_PARTS_OF_THE_RUNTIME:
                yield f"{line}: the runtime imports {name}; it knows the protocol and the registry"


def dotted(node: ast.expr) -> str:
    """Write *node* as it reads, if it is a plain name or attribute: ``yaml.load``."""
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def unsafe_calls(text: str) -> Offences:
    """
    Find calls that run what they are given, or import what loads code.

    One is known: constructors of records are compiled, of nothing but the names of their fields in our own sources.
    """
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = dotted(node.func)
            if name in {"eval", "exec", "compile", "builtins.eval", "builtins.exec"}:
                yield f"{node.lineno}: {name}() runs its argument"
            elif name in {"yaml.load", "yaml.unsafe_load", "yaml.full_load", "os.system"}:
                yield f"{node.lineno}: {name}() may run its argument"
    for line, name in imported(tree, inside="realmconf"):
        if name.split(".")[0] in {"pickle", "dill", "marshal", "shelve", "cloudpickle"}:
            yield f"{line}: {name.split('.')[0]} runs what it loads"


KNOWN_CALL = "exec(source, known)"

OPENERS = {
    "open",
    "io.open",
    "os.open",
    "copy",
    "copy2",
    "copyfile",
    "read_bytes",
    "read_text",
    "sendfile",
    "write_bytes",
    "write_text",
}
DATABASE_NAMES = {"database", "database_path", "db", "db_path", "DATABASE", "DATABASE_NAME"}
DATABASE_ENDINGS = (".db", "-wal", "-shm")


def database_file_opened(text: str) -> Offences:
    """
    Find calls that open, read or copy the database or one of its two companions.

    Closing any descriptor of those files drops the locks that SQLite holds on them in
    this process, and an acknowledged write can be lost. A path under an innocent name
    escapes this test; it catches what somebody writes without thinking.
    """
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.Call):
            continue
        name = dotted(node.func)
        method = node.func.attr if isinstance(node.func, ast.Attribute) else ""
        if name not in OPENERS and method not in OPENERS:
            continue
        parts: list[ast.expr] = [*node.args, *(keyword.value for keyword in node.keywords)]
        if isinstance(node.func, ast.Attribute) and not name.startswith(("os.", "io.", "shutil.")):
            parts.append(node.func.value)
        for part in (inner for outer in parts for inner in ast.walk(outer)):
            named = dotted(part).rpartition(".")[2] if isinstance(part, ast.expr) else ""
            literal = part.value if isinstance(part, ast.Constant) else None
            if named in DATABASE_NAMES or (
                isinstance(literal, str) and literal.endswith(DATABASE_ENDINGS)
            ):
                yield f"{node.lineno}: {name or method}() on the database's own files"
                break


RULES: dict[str, Callable[[Path, str], Offences]] = {
    "imports point down": lambda path, text: upward_imports(
        text, module=module_name(path), is_package=path.name == "__init__.py"
    ),
    "nothing runs its input": lambda path, text: unsafe_calls(
        text.replace(KNOWN_CALL, "") if path.name == "record.py" else text
    ),
    "the database's own files are left alone": lambda path, text: database_file_opened(text),
}


@pytest.mark.parametrize("rule", RULES)
def test_rule_holds_in_every_module(rule: str) -> None:
    """No module of the package breaks the rule."""
    offences = [
        f"{path.relative_to(ROOT)}:{offence}"
        for path in MODULES
        for offence in RULES[rule](path, path.read_text("utf-8"))
    ]
    assert not offences, "\n".join(offences)


@pytest.mark.parametrize(
    ("module", "text"),
    [
        ("realmconf.domain.patch", "from realmconf.stores import protocol"),
        ("realmconf.domain.patch", "from ..stores.protocol import Store"),
        ("realmconf.errors", "def late():\n    import realmconf.domain.names"),
        ("realmconf.runtime.client", "from realmconf.surfaces.cli import main"),
        ("realmconf.runtime.client", "from realmconf.stores.embedded import EmbeddedStore"),
        ("realmconf.runtime.client", "from realmconf.stores import codec"),
        ("realmconf.runtime.client", "import realmconf.stores"),
        ("realmconf.surfaces.cli", "from realmconf.stores.protocol import Store"),
        ("realmconf.surfaces.cli", "from realmconf import connect"),
        ("realmconf.surfaces.cli", "from realmconf.testing import model"),
        ("realmconf.testing.model", "from realmconf.surfaces import envelope"),
        ("realmconf.helpers", "import os"),
    ],
)
def test_upward_import_is_seen(module: str, text: str) -> None:
    """Each kind of import against the layers is reported."""
    assert len(list(upward_imports(text, module=module))) == 1


@pytest.mark.parametrize(
    ("module", "text"),
    [
        ("realmconf", "from realmconf.runtime.client import connect"),
        ("realmconf.domain.patch", "from realmconf.domain.names import Pointer\nimport re"),
        ("realmconf.runtime.client", "from realmconf.stores.registry import open_store"),
        ("realmconf.runtime.client", "from realmconf.stores import protocol"),
        ("realmconf.surfaces.cli", "from .envelope import render"),
        ("realmconf.testing.conformance", "from realmconf.stores.embedded import EmbeddedStore"),
    ],
)
def test_downward_import_is_let_through(module: str, text: str) -> None:
    """What the layers allow is not reported."""
    assert not list(upward_imports(text, module=module))


@pytest.mark.parametrize(
    "text",
    [
        "eval('1')",
        "exec(source)",
        "import yaml\nyaml.load(text)",
        "from pickle import loads",
        "def late():\n    import marshal",
    ],
)
def test_unsafe_call_is_seen(text: str) -> None:
    """Each way to run input is reported; ``re.compile`` is not one."""
    assert len(list(unsafe_calls(text))) == 1
    assert not list(unsafe_calls("import re\nre.compile('x')"))


@pytest.mark.parametrize(
    "text",
    [
        "open(root + '/.store/realmconf.db', 'rb')",
        "os.open(self.database, os.O_RDONLY)",
        "(folder / 'realmconf.db-wal').read_bytes()",
        "self.database_path.read_bytes()",
        "shutil.copy2(f'{name}-shm', elsewhere)",
        "shutil.copyfile(src=database, dst=backup)",
    ],
)
def test_opened_database_is_seen(text: str) -> None:
    """Each way to get a descriptor of the database's files is reported; others are not."""
    assert len(list(database_file_opened(text))) == 1
    assert not list(database_file_opened("os.open(self.lock_path, os.O_RDWR)"))
    assert not list(database_file_opened("apsw.Connection(self.database)"))


def modules_after(statement: str) -> set[str]:
    """
    Name what an interpreter has loaded after *statement*.

    It starts without ``site``: path files of the environment may import things of
    their own, and would hide ours.
    """
    folders = [str(SOURCE), sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
    program = (
        f"import sys; sys.path[:0] = {folders!r}; {statement}; print(*sys.modules, file=sys.stdout)"
    )
    finished = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program],
        capture_output=True,
        check=False,
        text=True,
        timeout=60,
    )
    assert finished.returncode == 0, finished.stderr
    return set(finished.stdout.split())


def test_import_loads_nothing_dear() -> None:
    """``import realmconf`` costs little: everything optional or slow waits until it is needed."""
    loaded = modules_after("import realmconf")
    assert "realmconf" in loaded
    assert not loaded.intersection(NOT_AT_IMPORT)


def test_dear_import_is_seen() -> None:
    """The look into the interpreter finds what it is looking for."""
    assert {"typing", "logging"} <= modules_after("import typing, logging")
    assert not modules_after("import sys").intersection(NOT_AT_IMPORT)


def leaves(root: type[RealmconfError]) -> Iterator[type[RealmconfError]]:
    """Yield the classes below *root* that are raised: those that realmconf derives nothing from."""
    for below in root.__subclasses__():
        if below.__module__ == "realmconf.errors":
            yield from list(leaves(below)) or [below]


def doubtful_codes(classes: list[type[RealmconfError]]) -> Offences:
    """Find error classes whose code is missing, malformed or taken from a stranger."""
    defined_by: dict[str, type] = {}
    for cls in classes:
        if cls.code == RealmconfError.code or not re.fullmatch(r"[a-z]+(_[a-z]+)*", cls.code):
            yield f"{cls.__name__} has the code {cls.code!r}"
            continue
        definer = next(base for base in cls.__mro__ if "code" in vars(base))
        if defined_by.setdefault(cls.code, definer) is not definer:
            yield f"{cls.__name__} and {defined_by[cls.code].__name__} both define {cls.code!r}"


def test_every_error_has_a_code() -> None:
    """Each error that can be raised has a stable code; only a family shares one, through its base."""
    classes = list(leaves(RealmconfError))
    assert classes
    assert not list(doubtful_codes(classes))


def test_doubtful_code_is_seen() -> None:
    """A missing, a malformed and a doubly defined code are each reported."""

    class Nameless(RealmconfError):
        pass

    class Shouting(RealmconfError):
        code = "Not-A-Code"

    class Twin(RealmconfError):
        code = GenerationConflict.code

    assert len(list(doubtful_codes([GenerationConflict, Nameless, Shouting, Twin]))) == 3


def test_the_release_is_told_once_in_code_and_once_in_the_package() -> None:
    """What ``realmconf.__version__`` says is the version that is built."""
    from tomllib import loads

    import realmconf

    package = loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert realmconf.__version__ == package["version"]
