"""Where references to secrets lead, and values that hide what they hold."""

from __future__ import annotations

import copy
import dataclasses
import json
import logging
import os
import pickle
import socket
import subprocess
import sys
import threading
import time
import traceback
from typing import Any

import keyring
import keyring.backend
import keyring.errors
import msgspec
import pydantic
import pytest
from tests.unmeasured import unmeasured

import realmconf
from realmconf.domain.secrets import MARK
from realmconf.errors import InvalidArgument, SchemaViolation, SecretUnresolved
from realmconf.runtime import sources as module
from realmconf.runtime.sources import Secret, SecretSources, default_sources, reveal, stated
from realmconf.runtime.typed import MsgspecAdapter, PydanticAdapter, adapter_for

LITERAL = "hunter2-of-the-tests"
REFERENCE = "secret://env/APP_KEY"


@pytest.fixture
def folder(tmp_path):
    """A folder of secrets, with a few things that are none beside it."""
    below = tmp_path / "secrets"
    (below / "db").mkdir(parents=True)
    (below / "db" / "password").write_text(f"{LITERAL}\n", "utf-8")
    (tmp_path / "outside").write_text("outside", "utf-8")
    return below


@pytest.fixture
def sources(folder):
    return SecretSources(folder, variables={"APP_KEY": LITERAL, "EMPTY": "", "OTHER": "o"})


# --- references that lead somewhere -----------------------------------------------------


def test_a_variable_is_read_when_it_is_asked_for():
    """What changes in the environment is seen, since nothing is kept."""
    variables = {"APP_KEY": "old"}
    sources = SecretSources(variables=variables)
    assert sources.resolve(REFERENCE) == "old"
    variables["APP_KEY"] = "new"
    assert sources.resolve(REFERENCE) == "new"
    variables["APP_KEY"] = ""
    assert sources.resolve(REFERENCE) == ""


def test_without_variables_of_its_own_the_environment_is_read(monkeypatch):
    """Of the process, as it is at the time."""
    monkeypatch.setenv("REALMCONF_TEST_KEY", LITERAL)
    assert SecretSources().resolve("secret://env/REALMCONF_TEST_KEY") == LITERAL


def test_only_allowed_variables_are_read():
    """Patterns of names, told apart by case; none at all allow none."""
    variables = {"APP_KEY": "a", "app_key": "b", "PATH": "c"}
    allowing = SecretSources(environment=["APP_*"], variables=variables)
    assert allowing.resolve(REFERENCE) == "a"
    for name in ("app_key", "PATH"):
        with pytest.raises(SecretUnresolved, match="no variable of that name"):
            allowing.resolve(f"secret://env/{name}")
    with pytest.raises(SecretUnresolved):
        SecretSources(environment=[], variables=variables).resolve(REFERENCE)


@pytest.mark.parametrize(
    ("content", "secret"),
    [
        (b"a", "a"),
        (b"a\n", "a"),
        (b"a\r\n", "a"),
        (b"a\n\n", "a\n"),
        (b"a\r", "a\r"),
        (b" a \n", " a "),
        (b"\n", ""),
        (b"", ""),
        ("gr\u00fc\u00dfe".encode(), "gr\u00fc\u00dfe"),
        (b"x" * 65_536, "x" * 65_536),
    ],
)
def test_a_file_is_its_text_without_one_newline_at_the_end(folder, content, secret):
    """As editors and ``echo`` leave it; everything else belongs to the secret."""
    (folder / "key").write_bytes(content)
    assert SecretSources(folder).resolve("secret://file/key") == secret


def test_a_file_may_lie_deeper(sources):
    """Its path is relative to the folder."""
    assert sources.resolve("secret://file/db/password") == LITERAL


def test_a_relative_folder_is_that_of_the_moment_it_was_named(folder, monkeypatch):
    """A program that changes its folder later reads the same files."""
    monkeypatch.chdir(folder.parent)
    sources = SecretSources("secrets")
    monkeypatch.chdir("/")
    assert sources.resolve("secret://file/db/password") == LITERAL


def test_the_folder_itself_may_be_a_link(folder):
    """As the ``..data`` of a Kubernetes volume, which is exchanged as a whole."""
    link = folder.parent / "..data"
    link.symlink_to(folder)
    assert SecretSources(link).resolve("secret://file/db/password") == LITERAL


class Backend(keyring.backend.KeyringBackend):
    """A keyring with one entry, which fails as told."""

    priority = 1
    failure: Exception | None = None

    def get_password(self, service: str, username: str) -> str | None:
        if self.failure is not None:
            raise self.failure
        return LITERAL if (service, username) == ("my app", "api") else None

    def set_password(self, service: str, username: str, password: str) -> None:
        raise NotImplementedError

    def delete_password(self, service: str, username: str) -> None:
        raise NotImplementedError


@pytest.fixture
def backend(monkeypatch):
    made = Backend()
    monkeypatch.setattr(keyring.core, "_keyring_backend", made)
    return made


def test_an_entry_of_the_keyring(backend):
    """By service and name, through whatever backend is chosen."""
    assert SecretSources().resolve("secret://keyring/my app/api") == LITERAL
    assert SecretSources(keyring_services=["my*"]).resolve("secret://keyring/my app/api") == LITERAL
    with pytest.raises(SecretUnresolved, match="no service of that name"):
        SecretSources(keyring_services=["other"]).resolve("secret://keyring/my app/api")
    with pytest.raises(SecretUnresolved, match="keyring set 'my app' 'other'"):
        SecretSources().resolve("secret://keyring/my app/other")


@pytest.mark.parametrize(
    "failure", [keyring.errors.KeyringLocked(LITERAL), RuntimeError(LITERAL), OSError(5, LITERAL)]
)
def test_a_keyring_that_fails_is_told_by_name_only(backend, failure):
    """A backend is a stranger: whatever it raises is typed, and its text goes nowhere."""
    backend.failure = failure
    with pytest.raises(SecretUnresolved, match=type(failure).__name__) as caught:
        SecretSources().resolve("secret://keyring/my app/api")
    assert LITERAL not in "".join(traceback.format_exception(caught.value))
    assert caught.value.__context__ is None


def test_without_the_package_the_command_to_install_it_is_told(monkeypatch):
    """It is optional, and needed for nothing else."""
    monkeypatch.setitem(sys.modules, "keyring", None)
    with pytest.raises(SecretUnresolved, match=r"pip install 'realmconf\[secrets\]'"):
        SecretSources().resolve("secret://keyring/my app/api")


# --- references that do not ---------------------------------------------------------------

HOSTILE = {
    "no kind": "secret://",
    "unknown kind": "secret://vault/x",
    "kind in capitals": "secret://ENV/APP_KEY",
    "prefix in capitals": "SECRET://env/APP_KEY",
    "no reference": LITERAL,
    "a blank before": " secret://env/APP_KEY",
    "a blank after": "secret://env/APP_KEY ",
    "a newline after": "secret://env/APP_KEY\n",
    "no name": "secret://env/",
    "no part": "secret://env",
    "two names": "secret://env/APP_KEY/x",
    "a name with a digit first": "secret://env/1APP",
    "a name with a hyphen": "secret://env/APP-KEY",
    "a name with an equals sign": "secret://env/APP_KEY=x",
    "a name in another alphabet": "secret://env/\u0410PP_KEY",
    "a variable that is not set": "secret://env/MISSING",
    "a query": "secret://env/APP_KEY?default=x",
    "a fragment": "secret://env/APP_KEY#x",
    "percent in a variable": "secret://env/APP%5FKEY",
    "NUL in a variable": "secret://env/APP_KEY\0",
    "no path": "secret://file/",
    "an absolute path": "secret://file//etc/passwd",
    "dots": "secret://file/../outside",
    "dots below": "secret://file/db/../../outside",
    "one dot": "secret://file/./db/password",
    "dots with percent": "secret://file/%2e%2e/outside",
    "dots with a backslash": "secret://file/..\\outside",
    "a slash at the end": "secret://file/db/password/",
    "an empty part": "secret://file/db//password",
    "NUL in a path": "secret://file/db/password\0.txt",
    "a folder": "secret://file/db",
    "a missing file": "secret://file/db/missing",
    "a file as a folder": "secret://file/db/password/x",
    "a long name": f"secret://file/{'x' * 300}",
    "a long reference": f"secret://file/{'x/' * 600}x",
    "half a surrogate pair": "secret://file/\ud800",
    "an invisible character": "secret://file/db/pass\u200bword",
    "direction of writing": "secret://file/db/\u202epassword",
    "no service": "secret://keyring//api",
    "no entry": "secret://keyring/app/",
    "one part": "secret://keyring/app",
    "three parts": "secret://keyring/app/api/x",
}


@pytest.mark.parametrize("how", HOSTILE)
def test_a_hostile_reference_is_refused(sources, how):
    """G12: one typed error that names the reference in one printable line, and what to do; never a value."""
    with pytest.raises(SecretUnresolved) as caught:
        sources.resolve(HOSTILE[how])
    error = caught.value
    assert str(error).isprintable()
    assert len(str(error)) < 1_500
    assert LITERAL not in json.dumps(error.to_dict())
    assert error.reference.startswith("secret://")
    assert error.kind in ("", "env", "file", "keyring")
    assert error.reason
    assert error.reason in str(error)


@pytest.mark.parametrize(
    ("reference", "reason"),
    [
        ("secret://env/APP%5FKEY", "no escapes"),
        ("secret://env/APP_KEY?x", "no query"),
        ("secret://env/\u0410PP_KEY", "secret://env/NAME"),
        ("secret://file/%2e%2e", "no escapes"),
        ("secret://file/a\\b", "no escapes"),
        ("secret://file/a#b", "no query"),
        ("secret://file/a\u200bb", "invisible"),
        ("secret://file/db//password", "no empty part"),
        ("secret://file//db/password", "no empty part"),
        (f"secret://file/{'d/' * 600}key", "at most 1024 characters"),
    ],
)
def test_what_is_malformed_leads_nowhere_even_if_it_exists(folder, reference, reason):
    """One spelling of a reference: nothing is decoded, left out or cut, and no look-alike is a name."""
    for name in ("%2e%2e", "a\\b", "a#b", "a\u200bb"):
        (folder / name).write_text(LITERAL, "utf-8")
    deep = folder.joinpath(*["d"] * 600)
    deep.mkdir(parents=True)
    (deep / "key").write_text(LITERAL, "utf-8")
    variables = dict.fromkeys(["APP%5FKEY", "APP_KEY?x", "\u0410PP_KEY", "APP_KEY"], LITERAL)
    with pytest.raises(SecretUnresolved, match=reason):
        SecretSources(folder, variables=variables).resolve(reference)


@pytest.mark.parametrize("value", [None, 5, b"secret://env/APP_KEY", ["secret://env/APP_KEY"]])
def test_a_reference_is_text(sources, value):
    """Bytes and the like are a mistake of the program."""
    with pytest.raises(InvalidArgument):
        sources.resolve(value)


def test_without_a_folder_there_are_no_files():
    """A default folder would be one that nobody thought about; the text says what to set."""
    with pytest.raises(SecretUnresolved, match="REALMCONF_SECRETS_FOLDER"):
        SecretSources().resolve("secret://file/db/password")


def test_a_folder_that_is_not_there_is_named(tmp_path):
    """Somebody configured it, and has to put it right."""
    with pytest.raises(SecretUnresolved, match=str(tmp_path / "nowhere")):
        SecretSources(tmp_path / "nowhere").resolve("secret://file/x")
    (tmp_path / "file").touch()
    with pytest.raises(SecretUnresolved, match="folder of secrets"):
        SecretSources(tmp_path / "file").resolve("secret://file/x")


@pytest.mark.parametrize("given", ["", "a\0b"])
def test_a_folder_has_a_name(given):
    """An empty one would be the current folder."""
    with pytest.raises(InvalidArgument):
        SecretSources(given)


@pytest.mark.parametrize("name", ["environment", "keyring_services"])
def test_patterns_are_several(name):
    """One text would be taken letter by letter, and ``*`` in it would allow everything."""
    patterns: Any = {name: "APP_*"}
    with pytest.raises(InvalidArgument, match=name):
        SecretSources(**patterns)


def test_links_are_not_followed(folder, sources):
    """Neither as the file nor on the way, neither out of the folder nor inside it."""
    (folder / "file").symlink_to(folder.parent / "outside")
    (folder / "inside").symlink_to(folder / "db" / "password")
    (folder / "up").symlink_to(folder.parent)
    (folder / "dangling").symlink_to(folder / "nothing")
    for path in ("file", "inside", "up/outside", "dangling"):
        with pytest.raises(SecretUnresolved, match="link"):
            sources.resolve(f"secret://file/{path}")


def test_a_folder_that_is_swapped_for_a_link_leads_nowhere_else(folder, sources):
    """Whenever the exchange happens, the file is the one below the folder, or there is an error."""
    outside = folder.parent / "elsewhere"
    outside.mkdir()
    (outside / "password").write_text("outside", "utf-8")
    real, link, place = folder / "real", folder / "link", folder / "db"
    link.symlink_to(outside)
    stop = threading.Event()

    def swap() -> None:
        while not stop.is_set():
            os.rename(place, real)
            os.rename(link, place)
            os.rename(place, link)
            os.rename(real, place)

    swapping = threading.Thread(target=swap)
    swapping.start()
    seen: set[str] = set()
    until = time.monotonic() + 30
    rounds = 0
    try:
        while time.monotonic() < until and (rounds < 3_000 or len(seen) < 2):
            rounds += 1
            try:
                seen.add(sources.resolve("secret://file/db/password"))
            except SecretUnresolved:
                seen.add("refused")
    finally:
        stop.set()
        swapping.join()
    assert seen == {LITERAL, "refused"}


def test_the_swap_is_seen_by_whoever_looks_by_name(folder):
    """The exchange of the test above does lead a reader by name elsewhere."""
    outside = folder.parent / "elsewhere"
    outside.mkdir()
    (outside / "password").write_text("outside", "utf-8")
    os.rename(folder / "db", folder / "real")
    (folder / "db").symlink_to(outside)
    assert (folder / "db" / "password").read_text("utf-8") == "outside"


@pytest.mark.timeout(10)
def test_what_is_no_regular_file_is_not_read(folder, sources):
    """A pipe would keep the reader for ever; a socket and a device are somebody else's."""
    os.mkfifo(folder / "pipe")
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(folder / "socket"))
        for name in ("pipe", "socket", "db"):
            with pytest.raises(SecretUnresolved):
                sources.resolve(f"secret://file/{name}")
    with pytest.raises(SecretUnresolved, match="regular"):
        SecretSources("/dev").resolve("secret://file/null")


def test_a_file_has_at_most_64_kibibytes(folder, sources):
    """Also one that never ends, as a sparse file of a terabyte: no more than that is read."""
    with open(folder / "large", "wb") as file:
        file.truncate(1 << 40)
    (folder / "just").write_bytes(b"x" * 65_537)
    for name in ("large", "just"):
        with pytest.raises(SecretUnresolved, match="65536"):
            sources.resolve(f"secret://file/{name}")


def test_a_file_is_text(folder, sources):
    """And what it has instead is not quoted, in the error or behind it."""
    (folder / "binary").write_bytes(LITERAL.encode() + b"\xff")
    with pytest.raises(SecretUnresolved, match="UTF-8") as caught:
        sources.resolve("secret://file/binary")
    assert caught.value.__context__ is None
    assert caught.value.__cause__ is None


def test_a_variable_is_text():
    """The environment may hold any bytes."""
    sources = SecretSources(variables={"APP_KEY": LITERAL + "\udcff"})
    with pytest.raises(SecretUnresolved, match="UTF-8"):
        sources.resolve(REFERENCE)


def test_no_descriptor_is_left_open(folder, sources):
    """Whether it succeeds or fails, at whatever step."""
    (folder / "link").symlink_to(folder / "db")
    (folder / "binary").write_bytes(b"\xff")
    os.mkfifo(folder / "pipe")
    before = os.listdir("/proc/self/fd")
    for path in ("db/password", "db/missing", "link/password", "pipe", "binary", "db", "x" * 300):
        for _ in range(3):
            try:
                sources.resolve(f"secret://file/{path}")
            except SecretUnresolved:
                pass
    assert len(os.listdir("/proc/self/fd")) == len(before)


def test_sources_show_where_they_look_and_nothing_they_find(folder, sources):
    """Their repr may be logged."""
    assert str(folder) in repr(sources)
    assert LITERAL not in repr(sources)


def test_the_sources_of_a_process_read_their_folder_once(folder, monkeypatch):
    """From the environment, when they are first needed."""
    monkeypatch.setattr(module, "_default", None)
    monkeypatch.setenv("REALMCONF_SECRETS_FOLDER", str(folder))
    assert Secret("secret://file/db/password").reveal() == LITERAL
    monkeypatch.setenv("REALMCONF_SECRETS_FOLDER", "/nowhere")
    assert default_sources() is default_sources()
    assert Secret("secret://file/db/password").reveal() == LITERAL
    monkeypatch.setattr(module, "_default", None)
    monkeypatch.setenv("REALMCONF_SECRETS_FOLDER", "")
    with pytest.raises(SecretUnresolved, match="no folder"):
        Secret("secret://file/db/password").reveal()


# --- the value that hides -----------------------------------------------------------------


def test_a_literal_is_revealed_and_a_reference_is_resolved(sources):
    """At every use, anew."""
    assert Secret(LITERAL).reveal() == LITERAL
    assert Secret(LITERAL).reference is None
    secret = Secret(REFERENCE, sources=sources)
    assert secret.reference == REFERENCE
    assert secret.reveal() == LITERAL
    with pytest.raises(SecretUnresolved):
        Secret("secret://env/MISSING", sources=sources).reveal()


def test_a_secret_of_a_secret_is_the_same(sources):
    """It keeps its sources, unless others are given."""
    first = Secret(REFERENCE, sources=sources)
    assert Secret(first) == first
    assert Secret(first).reveal() == LITERAL
    other = SecretSources(variables={"APP_KEY": "other"})
    assert Secret(first, sources=other).reveal() == "other"


@pytest.mark.parametrize("value", [None, 5, b"x", ["x"]])
def test_a_secret_is_text(value):
    """Whatever else is given is not shown either."""
    with pytest.raises(InvalidArgument):
        Secret(value)


SHOWN = {LITERAL: "Secret(…)", REFERENCE: f"Secret({REFERENCE})"}


@pytest.mark.parametrize("text", SHOWN)
def test_no_way_of_showing_it_shows_it(text, caplog):
    """G11: of a literal nothing, of a reference where it leads: in every format, and inside of other values."""
    secret = Secret(text)
    shown = SHOWN[text]
    assert repr(secret) == str(secret) == f"{secret}" == f"{secret!r}" == shown
    assert "%s" % secret == "%r" % secret == "{}".format(secret) == shown  # noqa: UP031, UP032
    assert f"{secret:>60}" == shown.rjust(60)
    assert f"{secret:.3}" == "Sec"
    assert repr([secret]) == f"[{shown}]"
    with caplog.at_level(logging.INFO):
        logging.getLogger("test").info("%s %r", secret, {"key": secret})
    assert caplog.messages == [f"{shown} {{'key': {shown}}}"]


def test_a_reference_with_odd_letters_is_shown_in_one_line():
    """A repr goes to terminals and logs."""
    assert repr(Secret("secret://env/A\n\x1b[2J")).isprintable()


def test_a_traceback_with_all_locals_does_not_show_it(folder):
    """Tools that print the variables of every frame print only the mask, also where resolving fails."""
    (folder / "binary").write_bytes(LITERAL.encode() + b"\xff")
    (folder / "large").write_bytes(LITERAL.encode() * 5_000)
    variables = {"APP_KEY": LITERAL, "BROKEN": f"{LITERAL}\udcff"}
    sources = SecretSources(folder, environment=["BROKEN"], variables=variables)

    def use(secret: Secret) -> None:
        secret.reveal()
        raise RuntimeError

    secrets = [Secret(LITERAL)]
    secrets += [
        Secret(f"secret://{reference}", sources=sources)
        for reference in ("file/binary", "file/large", "env/BROKEN", "env/APP_KEY", "file/db/no")
    ]
    for secret in secrets:
        try:
            use(secret)
        except (RuntimeError, SecretUnresolved) as error:
            # Without the frame of this test, which knows everything.
            below = error.__traceback__ and error.__traceback__.tb_next
            told = traceback.TracebackException(type(error), error, below, capture_locals=True)
            text = "".join(told.format())
        assert "Secret(" in text
        assert LITERAL[:8] not in text


def test_json_refuses_it():
    """Nothing is serialised by accident."""
    with pytest.raises(TypeError):
        json.dumps({"key": Secret(LITERAL)})
    with pytest.raises(TypeError):
        msgspec.json.encode(Secret(LITERAL))


def test_it_is_no_text():
    """So nothing that wants text takes it, or adds it to some."""
    secret: Any = Secret(LITERAL)
    assert not isinstance(secret, str)
    for use in (
        lambda: "a" + secret,
        lambda: "".join([secret]),
        lambda: len(secret),
        lambda: secret[0],
    ):
        with pytest.raises(TypeError):
            use()
    assert not hasattr(secret, "__dict__")


def test_equal_texts_are_equal_secrets():
    """And no text equals a secret; where a reference leads makes no difference."""
    assert Secret(LITERAL) == Secret(LITERAL)
    assert Secret(LITERAL) != Secret("other")
    assert Secret(LITERAL) != LITERAL
    assert Secret("ü\ud800") == Secret("ü\ud800")
    assert hash(Secret(LITERAL)) == hash(Secret(LITERAL))
    assert {Secret(LITERAL): 1}[Secret(LITERAL)] == 1
    sources = SecretSources(variables={})
    assert Secret(REFERENCE, sources=sources) == Secret(REFERENCE)


def test_a_secret_cannot_change():
    """It may be a key, and a default of a type."""
    secret: Any = Secret(LITERAL)
    for name in ("_text", "_sources", "reference", "other"):
        with pytest.raises(AttributeError):
            setattr(secret, name, "x")
        with pytest.raises(AttributeError):
            delattr(secret, name)
    assert secret.reveal() == LITERAL


def test_a_copy_is_the_secret_and_a_pickle_its_text(sources):
    """Sources stay in the process: they may name folders and variables of this one only."""
    secret = Secret(REFERENCE, sources=sources)
    assert copy.copy(secret) is secret
    assert copy.deepcopy([secret])[0] is secret
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        packed = pickle.dumps(secret, protocol)
        assert LITERAL.encode() not in packed
        arrived = pickle.loads(packed)
        assert arrived == secret
        assert repr(arrived) == repr(secret)
        with pytest.raises(SecretUnresolved):
            arrived.reveal()
    assert pickle.loads(pickle.dumps(Secret(LITERAL))).reveal() == LITERAL


def test_secrets_remember_the_sources_they_were_made_under(sources):
    """Inside the context, in this thread; the inner one of two; and outside again those of the process."""
    inner = SecretSources(variables={"APP_KEY": "inner"})
    with sources.bound() as entered:
        assert entered is sources
        outer_secret = Secret(REFERENCE)
        with inner.bound():
            inner_secret = Secret(REFERENCE)
        again = Secret(REFERENCE)
        elsewhere: list[Secret] = []
        thread = threading.Thread(target=lambda: elsewhere.append(Secret(REFERENCE)))
        thread.start()
        thread.join()
    outside = Secret(REFERENCE)
    assert [one.reveal() for one in (outer_secret, inner_secret, again)] == [
        LITERAL,
        "inner",
        LITERAL,
    ]
    for secret in (outside, *elsewhere):
        with pytest.raises(SecretUnresolved):
            secret.reveal()


def test_bound_sources_are_forgotten_after_a_failure(sources):
    """As with everything that a ``with`` brings."""
    with pytest.raises(ZeroDivisionError), sources.bound():
        _ = 1 / 0
    with pytest.raises(SecretUnresolved):
        Secret(REFERENCE).reveal()


def test_reveal_takes_what_holds_a_secret(sources):
    """``Secret``, pydantic's two, and text; a reference in any of them is resolved."""
    assert reveal(LITERAL) == reveal(Secret(LITERAL)) == LITERAL
    assert reveal(pydantic.SecretStr(LITERAL)) == LITERAL
    assert reveal(pydantic.SecretBytes(LITERAL.encode())) == LITERAL
    for holder in (
        REFERENCE,
        Secret(REFERENCE),
        pydantic.SecretStr(REFERENCE),
        pydantic.SecretBytes(REFERENCE.encode()),
    ):
        assert reveal(holder, sources) == LITERAL
        with pytest.raises(SecretUnresolved):
            reveal(holder, SecretSources(variables={}))
    assert reveal(Secret(REFERENCE, sources=sources)) == LITERAL
    with sources.bound():
        assert reveal(REFERENCE) == LITERAL


@pytest.mark.parametrize("value", [None, 5, ["x"], b"\xff", pydantic.SecretBytes(b"\xff")])
def test_reveal_refuses_what_holds_none(value):
    """A number is no secret text; a mistake is not turned into text."""
    with pytest.raises(InvalidArgument):
        reveal(value)


def test_the_names_are_public():
    """Programs import them from realmconf."""
    assert realmconf.Secret is Secret
    assert realmconf.SecretSources is SecretSources
    assert realmconf.reveal is reveal


def test_little_is_loaded_for_it():
    """A program that uses a secret does not pay for the keyring, or for what a command line avoids."""
    program = (
        "import sys, realmconf\n"
        "realmconf.Secret('x').reveal()\n"
        "dear = {'asyncio', 'pathlib', 'dataclasses', 'typing', 'logging', 'keyring', 'pydantic'}\n"
        "print(*sorted(dear & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env=unmeasured(),
    )
    assert done.stdout.strip() == ""


# --- typed configuration ------------------------------------------------------------------


class Inner(pydantic.BaseModel):
    key: Secret
    spare: Secret | None = None


class Model(pydantic.BaseModel):
    token: Secret
    inner: Inner
    many: list[Secret] = []
    named: dict[str, Secret] = {}
    unordered: set[Secret] = set()
    pair: tuple[Secret, int] | None = None
    default: Secret = Secret("none")
    either: Secret | int = 0


@dataclasses.dataclass
class InnerData:
    key: Secret
    spare: Secret | None = None


@dataclasses.dataclass
class Data:
    token: Secret
    inner: InnerData
    many: list[Secret] = dataclasses.field(default_factory=list)
    named: dict[str, Secret] = dataclasses.field(default_factory=dict)
    unordered: set[Secret] = dataclasses.field(default_factory=set)
    default: Secret = dataclasses.field(default=Secret("none"))


class InnerStruct(msgspec.Struct):
    key: Secret
    spare: Secret | None = None


class Struct(msgspec.Struct):
    token: Secret
    inner: InnerStruct
    many: list[Secret] = []
    named: dict[str, Secret] = {}
    default: Secret = Secret("none")


FULL = {
    "token": LITERAL,
    "inner": {"key": REFERENCE, "spare": "s"},
    "many": ["a", REFERENCE],
    "named": {"x": "secret://file/db/password", "y": "b"},
    "default": "stated",
}

ADAPTERS = [
    adapter_for(Model),
    PydanticAdapter(Data),
    MsgspecAdapter(Data),
    adapter_for(Struct),
]


@pytest.mark.parametrize("adapter", ADAPTERS, ids=lambda a: f"{type(a).__name__}-{a.type.__name__}")
def test_a_type_may_have_secrets(adapter, sources):
    """They hide, remember their sources, and go back into the document as what it had: a reference unresolved."""
    with sources.bound():
        config = adapter.load(FULL)
    assert isinstance(config.token, Secret)
    assert config.token.reveal() == LITERAL
    assert config.inner.key.reveal() == LITERAL
    assert config.named["x"].reveal() == LITERAL
    assert config.many == [Secret("a"), Secret(REFERENCE)]
    assert LITERAL not in repr(config)
    dumped = adapter.dump(config)
    assert {key: dumped[key] for key in FULL} == FULL
    assert adapter.load(dumped) == config


@pytest.mark.parametrize("adapter", ADAPTERS, ids=lambda a: f"{type(a).__name__}-{a.type.__name__}")
def test_a_default_secret_is_not_stated(adapter):
    """Secrets are compared by what they hold."""
    sparse = {"token": "none", "inner": {"key": "k"}}
    config = adapter.load(sparse)
    assert config.default.reveal() == "none"
    assert adapter.dump_stated(config) == sparse
    assert adapter.dump_stated(adapter.load({**sparse, "default": "none"})) == sparse


@pytest.mark.parametrize("adapter", ADAPTERS, ids=lambda a: f"{type(a).__name__}-{a.type.__name__}")
@pytest.mark.parametrize("value", [5, True, {"a": LITERAL}, [LITERAL]])
def test_only_text_becomes_a_secret(adapter, value):
    """A violation names the place and says what is wanted, and has no part of the value."""
    with pytest.raises(SchemaViolation) as caught:
        adapter.load({"token": value, "inner": {"key": "k"}})
    (violation,) = caught.value.violations
    assert violation == {"pointer": "/token", "keyword": "type", "message": "it must be text"}
    assert LITERAL not in repr(caught.value.to_dict())


@pytest.mark.parametrize(
    "adapter", [PydanticAdapter(Model), PydanticAdapter(Data), MsgspecAdapter(Data)]
)
def test_a_set_of_secrets_is_one_document(adapter):
    """Whatever order a process iterates in."""
    names = [f"name{number}" for number in range(20)]
    document = {"token": "t", "inner": {"key": "k"}, "unordered": names}
    assert adapter.dump(adapter.load(document))["unordered"] == sorted(names)


def test_pydantic_takes_text_and_secrets():
    """Where a program makes a model itself."""
    given = {"token": LITERAL, "inner": {"key": Secret(REFERENCE)}, "either": 4}
    model = Model.model_validate(given)
    assert model.token == Secret(LITERAL)
    assert model.either == 4
    assert model.model_copy(deep=True) == model
    with pytest.raises(pydantic.ValidationError):
        Model.model_validate({**given, "token": 5})


def test_what_pydantic_writes_as_json_hides_literals():
    """A literal is the mark that every write refuses, so it cannot be stored by mistake; a reference is itself."""
    model = Model.model_validate({"token": LITERAL, "inner": {"key": REFERENCE}, "many": [LITERAL]})
    expected = {"token": MARK, "inner": {"key": REFERENCE}, "many": [MARK]}
    for written in (
        json.loads(model.model_dump_json(exclude_unset=True)),
        model.model_dump(mode="json", exclude_unset=True),
    ):
        assert written == expected
    assert isinstance(model.model_dump()["token"], Secret)


def test_text_that_was_assigned_to_a_secret_field_is_stored():
    """Models do not validate assignments unless they are told to."""
    adapter = adapter_for(Model)
    model = adapter.load({"token": "old", "inner": {"key": "k"}})
    model.token = "new"
    model.either = 5
    dumped = adapter.dump(model)
    assert (dumped["token"], dumped["either"]) == ("new", 5)
    assert model.model_dump(mode="json")["token"] == MARK


def test_the_schema_of_a_secret_says_that_it_is_one():
    """Whoever publishes the schema of a type makes its secrets secret by schema."""
    said = {"type": "string", "format": "password", "writeOnly": True}
    for mode in ("validation", "serialization"):
        schema = Model.model_json_schema(mode=mode)
        assert schema["properties"]["token"] == {**said, "title": "Token"}
        assert schema["properties"]["many"]["items"] == said
        assert schema["properties"]["default"]["default"] == MARK


class WithSecretStr(pydantic.BaseModel):
    token: pydantic.SecretStr


def test_a_reference_in_a_secret_str_stays_one(sources):
    """What pydantic hides is the text of the document; ``reveal`` follows it."""
    adapter = adapter_for(WithSecretStr)
    config = adapter.load({"token": REFERENCE})
    assert adapter.dump(config) == {"token": REFERENCE}
    assert reveal(config.token, sources) == LITERAL


def test_the_text_of_a_document_is_had_from_a_secret():
    """By the library itself, which writes it back."""
    assert (stated(Secret(LITERAL)), stated(Secret(REFERENCE))) == (LITERAL, REFERENCE)


def test_secrets_in_a_typed_configuration_are_revealed_as_the_client_would(tmp_path):
    """A field of type ``Secret`` knows the sources of the client that read it."""
    import pydantic

    class Settings(pydantic.BaseModel):
        model_config = pydantic.ConfigDict(arbitrary_types_allowed=True)
        password: Secret

    (tmp_path / "password").write_text("hunter2\n")
    sources = SecretSources(str(tmp_path))
    with realmconf.connect("memory://", author="t", secrets=sources) as client:
        client.realm("web").set({"password": "secret://file/password"})
        assert client.realm("web", schema=Settings).current.password.reveal() == "hunter2"
        assert client.realm("web").get().secret("password").reveal() == "hunter2"
