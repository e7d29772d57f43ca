"""A server in a process of its own: its routes, made of the table; and the same server as a store of the SDK."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any, ClassVar
from urllib.parse import quote

import httpx
from tests.surfaces.parity.driving import PATIENCE_SECONDS, Outcome, refusal
from tests.surfaces.parity.library import Library
from tests.surfaces.parity.scenarios import Step

import realmconf
from realmconf.domain.names import LIMITS
from realmconf.runtime.client import Client
from realmconf.runtime.operations.rows import BY_NAME, OPERATIONS
from realmconf.runtime.operations.table import Route
from realmconf.runtime.tokens import Tokens
from realmconf.stores.registry import open_store
from realmconf.surfaces.envelope import ANSWERS

STATUSES = {
    error.code: {answer.status for other, answer in ANSWERS.items() if other.code == error.code}
    for error in ANSWERS
}
OF_PROBLEMS = ("type", "title", "status", "detail")
"""Members that only HTTP's problems have."""
ENVELOPE = ("config", "generation", "realm_id", "instance_id", "backend", "view")
WAITING = ("after", "wait")


class Server:
    """``realmconf serve`` on a free port, and a token of it."""

    def __init__(self, store: str, *roles: str) -> None:
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith("REALMCONF_")
        }
        self._process = subprocess.Popen(
            [sys.executable, "-m", "realmconf", "--store", store, "serve", "--port", "0"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
        )
        assert self._process.stdout is not None
        link = self._process.stdout.readline().decode()
        self.url = link.partition("/#")[0]
        with realmconf.connect(store) as client:
            made = Tokens(client).create(
                realms=["*"], roles=roles, name="ada", author="ada", surface="cli"
            )
        self.token = made.text

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(timeout=PATIENCE_SECONDS)
        assert self._process.stdout is not None
        self._process.stdout.close()


class Routes:
    """A program that speaks HTTP, whose token is an admin's and shows no secrets."""

    UNREACHED: ClassVar[dict[str, str]] = {
        operation.name: "it has no route" for operation in OPERATIONS if operation.route is None
    }
    MALFORMED = True

    def __init__(self, store: str) -> None:
        self._server = Server(store, "admin")
        self._http = httpx.Client(
            base_url=self._server.url,
            headers={"Authorization": f"Bearer {self._server.token}"},
            timeout=PATIENCE_SECONDS,
        )

    def close(self) -> None:
        self._http.close()
        self._server.close()

    def states(self, step: Step) -> bool:
        """Whether path, query and body say the same as *step*."""
        route = _route(step)
        in_text = route.method == "GET" or "{" in route.path.replace("{realm}", "")
        # What is written in a query is text of whatever kind it should be.
        return not (step.malformed and in_text)

    def call(self, step: Step) -> Outcome:
        request = request_of(step)
        if BY_NAME[step.operation].streams:
            return self._stream(request, step.count)
        return self._outcome(self._http.request(**request), step)

    def _outcome(self, response: httpx.Response, step: Step) -> Outcome:
        if response.status_code == 304:
            # Nothing is sent again to who has it already.
            assert "after" in step.arguments
            kept = {key: item for key, item in step.arguments.items() if key not in WAITING}
            return self.call(Step(step.operation, kept))
        shown = response.json()
        if response.headers["content-type"] != "application/problem+json":
            assert response.status_code in (200, 201)
            return ("ok", shown)
        assert response.status_code == shown["status"]
        assert shown["detail"] == shown["message"]
        error = {name: value for name, value in shown.items() if name not in OF_PROBLEMS}
        if step.operation == "config/get" and "view" in error:
            # That there is no document is a 404, which has the rest of the envelope in it.
            assert (response.status_code, error["config"]) == (404, None)
            assert error["deleted"] == (error["generation"] > 0)
            return ("ok", {name: error[name] for name in ENVELOPE})
        assert response.status_code in STATUSES[error["code"]], (response.status_code, error)
        return refusal(error)

    def _stream(self, request: dict[str, Any], count: int) -> Outcome:
        with self._http.stream(**request) as response:
            if response.status_code != 200:
                response.read()
                return self._outcome(response, Step("config/watch"))
            found = []
            for line in response.iter_lines():
                if line.startswith("data:"):
                    step = json.loads(line.removeprefix("data:"))
                    if "changes" in step:
                        found.append(step)
                if len(found) == count:
                    break
        return ("ok", found)


def _route(step: Step) -> Route:
    route = BY_NAME[step.operation].route
    assert route is not None
    return route


def request_of(step: Step) -> dict[str, Any]:
    """The request that says what *step* does, made of nothing but the table."""
    route = _route(step)
    stated = dict(step.arguments)
    path = route.path
    for name in list(stated):
        if f"{{{name}}}" in path:
            path = path.replace(f"{{{name}}}", quote(str(stated.pop(name)), safe=""))
    request: dict[str, Any] = {"method": route.method, "url": path}
    if route.method == "GET":
        request["params"] = {
            name: value if isinstance(value, str) else json.dumps(value)
            for name, value in stated.items()
        }
    elif stated or route.method != "DELETE":
        request["json"] = stated
    return request


class Remote(Library):
    """The SDK on a server as its store, with a token that shows secrets, as the embedded one does."""

    UNREACHED: ClassVar[dict[str, str]] = {
        **Library.UNREACHED,
        "store/info": "a store that is asked over a network promises less",
    }

    def __init__(self, store: str) -> None:
        self._server = Server(store, "admin", "secrets")
        token = self._server.token
        self.client = Client(
            open_store(self._server.url, limits=LIMITS, token_for=lambda _: token),
            author="ada",
            sees_secrets=False,
        )

    def close(self) -> None:
        super().close()
        self._server.close()
