"""
The fifteen examples of RFC 7396, appendix A, end to end: on every store, through every surface that writes.

Nine of them are a patch of one document into another.  The other six have something in them that no configuration
is: an array, a text or a null for the whole, or a null that is kept.  Documents have no nulls (a null in a patch
removes, so no patch could state one that stays, and TOML has no word for it): a target that holds one, the RFC's
``{"e": null}``, is refused where it would have been written.
"""

from __future__ import annotations

import asyncio
import io
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import httpx
import pytest
from tests.surfaces.http.conftest import Thread, wait_until_ready
from tests.surfaces.mcp.agents import hosted
from tests.surfaces.parity.frames import CODES
from tests.surfaces.parity.served import STATUSES
from tests.surfaces.parity.words import EXITS
from tests.surfaces.rpc.conftest import Failed, Peer
from tests.unit.test_patch import RFC_APPENDIX_A

import realmconf
from realmconf.domain.frozen import thaw
from realmconf.domain.names import RealmName
from realmconf.domain.patch import merge_any
from realmconf.errors import RealmconfError
from realmconf.meerkat import Config
from realmconf.runtime.client import Client, connect
from realmconf.runtime.tokens import Tokens
from realmconf.surfaces.cli import main
from realmconf.surfaces.http.serving import Process, listen
from realmconf.surfaces.http.settings import Settings

REALM = "team"
REFUSED = ("invalid_argument", "invalid_document", "invalid_patch")
"""How what is of the wrong kind is refused: all of them are the caller's mistake, and none is a conflict."""
PATIENCE_SECONDS = 30.0
_DEFAULTS = {key: value for key, value in Config().document().items() if value != {}}


class Place(NamedTuple):
    """A store, and who serves it."""

    url: str
    client: Client
    """Kept open for all, so that a store in memory is one for all of the process; a server's is the one behind it."""
    home: Path


class Serving:
    """A server of HTTP in a thread, and a token that may do everything."""

    def __init__(self, client: Client) -> None:
        listening = listen("127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        self._thread = Thread(Process(client, Settings(meerkat_realm=RealmName(REALM))), listening)
        self._thread.start()
        made = Tokens(client).create(
            realms=["*"], roles=["admin", "secrets"], author="ada", surface="sdk"
        )
        self.token = made.text
        wait_until_ready(self.url)

    def close(self) -> None:
        self._thread.stop()


# --- the surfaces ------------------------------------------------------------------------


class Library:
    """The SDK."""

    def __init__(self, place: Place) -> None:
        self.client = connect(place.url, author="ada")
        self.realm = self.client.realm(REALM)

    def put(self, target: Any) -> str | None:
        return _code_of(lambda: self.realm.set(target))

    def patch(self, patch: Any) -> str | None:
        return _code_of(lambda: self.realm.patch(patch))

    def read(self) -> tuple[Any, int]:
        snapshot = self.realm.get()
        return thaw(snapshot.document or {}), snapshot.generation

    def close(self) -> None:
        self.client.close()


class Awaited(Library):
    """The same, awaited."""

    def put(self, target: Any) -> str | None:
        return self._awaited(lambda realm: realm.set(target))

    def patch(self, patch: Any) -> str | None:
        return self._awaited(lambda realm: realm.patch(patch))

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self._url = place.url

    def _awaited(self, write: Callable[[Any], Any]) -> str | None:
        async def written() -> None:
            async with realmconf.aconnect(self._url, author="ada") as client:
                await write(client.realm(REALM))

        return _code_of(lambda: asyncio.run(written()))


class Words:
    """The command line, asked for JSON."""

    def __init__(self, place: Place) -> None:
        self._place = place

    def put(self, target: Any) -> str | None:
        return self._run("replace", "--json", json.dumps(target))[1]

    def patch(self, patch: Any) -> str | None:
        return self._run("patch", "--json", json.dumps(patch))[1]

    def read(self) -> tuple[Any, int]:
        envelope, _ = self._run("get", "--own")
        return envelope["config"] or {}, envelope["generation"]

    def _run(self, *words: str) -> tuple[Any, str | None]:
        out, err = io.StringIO(), io.StringIO()
        named = ["--store", self._place.url, "--realm", REALM, "-o", "json"]
        with pytest.MonkeyPatch.context() as patched, redirect_stdout(out), redirect_stderr(err):
            patched.setattr(sys, "stdin", io.StringIO())
            code = main([*named, *words])
        assert "Traceback" not in out.getvalue() + err.getvalue()
        shown = json.loads(out.getvalue())
        if code == 0:
            return shown, None
        assert code in EXITS[shown["error"]["code"]]
        return shown, shown["error"]["code"]

    def close(self) -> None:
        """Nothing is open between two commands."""


class Routes:
    """HTTP, with a body that is the document or the patch and a media type that says so."""

    PATH: ClassVar[str] = f"/v1/realms/{REALM}/config"

    def __init__(self, place: Place) -> None:
        self._serving = Serving(place.client)
        self._http = httpx.Client(
            base_url=self._serving.url,
            headers={"Authorization": f"Bearer {self._serving.token}"},
            timeout=PATIENCE_SECONDS,
        )

    def put(self, target: Any) -> str | None:
        return self._sent("PUT", target, "application/vnd.realmconf.document+json")

    def patch(self, patch: Any) -> str | None:
        return self._sent("PATCH", patch, "application/merge-patch+json")

    def read(self) -> tuple[Any, int]:
        shown = self._http.get(Routes.PATH).json()
        return shown["config"] or {}, shown["generation"]

    def _sent(self, method: str, body: Any, media_type: str) -> str | None:
        response = self._http.request(
            method, self.PATH, content=json.dumps(body), headers={"Content-Type": media_type}
        )
        if response.is_success:
            return None
        code: str = response.json()["code"]
        assert response.status_code in STATUSES[code]
        return code

    def close(self) -> None:
        self._http.close()
        self._serving.close()


class MeerkatRoute(Routes):
    """Meerkat's own route, whose answers are what is stored, with Meerkat's defaults filled in."""

    PATH = "/config"

    def read(self) -> tuple[Any, int]:
        stored, generation = super().read()
        shown = self._http.get(self.PATH).json()
        assert shown["generation"] == generation
        # No default has one of the names of the examples, and what is stored stands before every default.
        assert shown["config"] == {**_DEFAULTS, **stored}
        return stored, generation


class WrappedRoute(MeerkatRoute):
    """The same, with a wrapped body."""

    def put(self, target: Any) -> str | None:
        return self._sent("PUT", {"config": target}, "application/json")

    def patch(self, patch: Any) -> str | None:
        return self._sent("PATCH", {"patch": patch}, "application/json")


class DirectRoute(WrappedRoute):
    """
    The same, with a body that is the configuration or the patch itself, where it may be.

    That is where the realm has all of its keys, none of which is a section of Meerkat's; else it changes nothing, and
    is sent wrapped.
    """

    def put(self, target: Any) -> str | None:
        return (
            self._direct("PUT", target)
            if self._may_be_direct("PUT", target)
            else super().put(target)
        )

    def patch(self, patch: Any) -> str | None:
        return (
            self._direct("PATCH", patch)
            if self._may_be_direct("PATCH", patch)
            else super().patch(patch)
        )

    def _direct(self, method: str, body: Any) -> str | None:
        return self._sent(method, body, "application/json")

    def _may_be_direct(self, method: str, body: Any) -> bool:
        head = self.read()
        if not isinstance(body, dict) or (body and body.keys() <= head[0].keys()):
            return True
        assert self._direct(method, body) == "invalid_argument"
        assert self.read() == head
        return False


class Methods:
    """JSON-RPC, with parameters by name."""

    def __init__(self, place: Place) -> None:
        command = [sys.executable, "-m", "realmconf", "--store", place.url, "--realm", REALM, "rpc"]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=place.home
        )
        self._peer = Peer(self._process)

    def put(self, target: Any) -> str | None:
        return self._asked("config/set", {"config": target})

    def patch(self, patch: Any) -> str | None:
        return self._asked("config/patch", {"patch": patch})

    def read(self) -> tuple[Any, int]:
        shown = self._peer.call("config/get")
        return shown["config"] or {}, shown["generation"]

    def _asked(self, method: str, params: Any) -> str | None:
        identity = f"{method} {params}"
        self._peer.send({"jsonrpc": "2.0", "id": identity, "method": method, "params": params})
        try:
            self._peer.answer(identity)
        except Failed as refused:
            code: str = refused.data["code"]
            return code if refused.code in CODES[code] else f"{code}, told as {refused.code}"
        return None

    def close(self) -> None:
        assert self._peer.finish() == 0
        assert self._process.stdout is not None
        self._process.stdout.close()


class DirectMethods(Methods):
    """JSON-RPC, with parameters that are the configuration or the patch itself, as Meerkat's clients send them."""

    def put(self, target: Any) -> str | None:
        # Nothing at all is no configuration of this form: what is empty is wrapped.
        return self._asked("config/set", target) if target else super().put(target)

    def patch(self, patch: Any) -> str | None:
        return self._asked("config/patch", patch)


class Tools:
    """An agent, which plans and applies, on a server at the server itself; whole documents are not its business."""

    def __init__(self, place: Place) -> None:
        self._library = Library(place)
        self._client = place.client
        self.put = self._library.put
        self.read = self._library.read

    def patch(self, patch: Any) -> str | None:
        return asyncio.run(self._planned(patch))

    async def _planned(self, patch: Any) -> str | None:
        paths = ("/a", "/b", "/c", "/e")
        async with hosted(self._client, paths=paths, realms=(REALM,)) as agent:
            generation = self.read()[1]
            found = await agent.call_tool(
                "config_plan",
                {"patch": patch, "expected_generation": generation, "reason": "because"},
            )
            if not found.is_error:
                plan = found.structured_content["result"]["plan_id"]
                found = await agent.call_tool("config_apply", {"plan_id": plan})
            return found.structured_content["code"] if found.is_error else None

    def close(self) -> None:
        self._library.close()


SURFACES: dict[str, Any] = {
    "sdk": Library,
    "async": Awaited,
    "cli": Words,
    "http": Routes,
    "wire": WrappedRoute,
    "wire-direct": DirectRoute,
    "rpc": Methods,
    "rpc-direct": DirectMethods,
    "mcp": Tools,
}


def _code_of(write: Callable[[], object]) -> str | None:
    try:
        write()
    except RealmconfError as refused:
        return refused.code
    return None


# --- the examples ------------------------------------------------------------------------

STORES = ("memory", "embedded", "meerkat", "server")
OF_DOCUMENTS = tuple(
    (target, patch, result)
    for target, patch, result in RFC_APPENDIX_A
    if isinstance(target, dict) and isinstance(patch, dict) and None not in target.values()
)
OF_OTHERS = tuple(example for example in RFC_APPENDIX_A if example not in OF_DOCUMENTS)


@pytest.fixture(scope="module", params=STORES)
def place(request, tmp_path_factory) -> Iterator[Place]:
    """A store of each kind, one for all surfaces."""
    home = tmp_path_factory.mktemp(request.param)
    urls = {
        "memory": "memory://vectors",
        "embedded": str(home / "store"),
        "meerkat": f"meerkat://{home}/realms?global={home}/user",
        "server": str(home / "served"),
    }
    with ExitStack() as closing, pytest.MonkeyPatch.context() as patched:
        patched.delenv("REALMCONF_STORE", raising=False)
        client = closing.enter_context(connect(urls[request.param], author="ada"))
        if request.param != "server":
            yield Place(urls[request.param], client, home)
            return
        serving = Serving(client)
        closing.callback(serving.close)
        patched.setenv("REALMCONF_TOKEN", serving.token)
        yield Place(serving.url, client, home)


@pytest.fixture(scope="module", params=SURFACES)
def surface(request, place) -> Iterator[Any]:
    """A surface on that store."""
    opened = SURFACES[request.param](place)
    yield opened
    opened.close()


def test_nothing_is_left_out() -> None:
    """Nine examples are of documents, six are not: fifteen, as in the RFC."""
    assert (len(RFC_APPENDIX_A), len(OF_DOCUMENTS), len(OF_OTHERS)) == (15, 9, 6)


@pytest.mark.parametrize(("target", "patch", "result"), OF_DOCUMENTS)
def test_a_document_is_patched(surface, target, patch, result) -> None:
    """Wherever it is stored and whoever asks: a target, patched, is what the RFC says, at one generation more."""
    assert surface.put(target) is None
    document, generation = surface.read()
    assert document == target
    assert surface.patch(patch) is None
    assert surface.read() == (result, generation + 1)


@pytest.mark.parametrize(("target", "patch", "result"), OF_OTHERS)
def test_what_is_no_document_is_refused(surface, target, patch, result) -> None:
    """What is no document, as a target or as a patch, is a typed refusal, after which everything is as it was."""
    before = {"a": "b"}
    assert surface.put(before) is None
    head = surface.read()
    assert head[0] == before
    if not isinstance(target, dict) or None in target.values():
        assert surface.put(target) in REFUSED
    else:
        assert surface.put(target) is None
        head = surface.read()
        assert head[0] == target
        assert surface.patch(patch) in REFUSED
    assert surface.read() == head


@pytest.mark.parametrize("nulls", [{"x": {"y": {"z": None}}}, {"x": None, "y": {"z": None}}])
def test_nulls_into_nothing_are_nothing(surface, nulls) -> None:
    """A patch with nulls for what is not there leaves none behind, whatever stood in its place."""
    for target in ({}, {"x": 1, "y": "text"}, {"x": {"y": 1}, "y": {"z": 1}}):
        assert surface.put(target) is None
        assert surface.patch({"a": nulls}) is None
        document, _ = surface.read()
        assert "null" not in json.dumps(document)
        assert document["a"] == merge_any(None, nulls)
