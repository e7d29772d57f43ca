"""The SDK, as a program uses it: handles and their verbs, shown by the renderers that are there for it."""

from __future__ import annotations

from typing import Any, ClassVar

from tests.surfaces.parity.driving import PATIENCE_SECONDS, Outcome, refusal
from tests.surfaces.parity.scenarios import Step

import realmconf
from realmconf.errors import RealmconfError
from realmconf.surfaces import envelope
from realmconf.surfaces.veil import veil_of, veil_of_plan, veil_of_step

WRITES = {
    "config/set": ("set", ("config",)),
    "config/patch": ("patch", ("patch",)),
    "config/json_patch": ("json_patch", ("operations",)),
    "config/set_value": ("set_value", ("path", "value")),
    "config/unset": ("unset", ("path",)),
    "config/rollback": ("rollback", ("to",)),
    "config/delete": ("delete", ()),
    "schema/set": ("set_schema", ("schema",)),
    "schema/unset": ("unset_schema", ()),
    "realm/set_parent": ("set_parent", ("parent",)),
}
"""The verb of a handle, and which arguments it takes in order; all others by name."""


class Library:
    """A program that shows nobody a secret."""

    UNREACHED: ClassVar[dict[str, str]] = {
        "config/plan": "a program writes, or makes a dry run",
        "config/apply": "likewise",
        "config/blame": "a program reads the history",
        "config/watch_once": "a program goes on watching",
        "config/get.after": "likewise",
        "config/get.wait": "likewise",
        "token/create": "made at the command line, or through a server",
        "token/list": "likewise",
        "token/revoke": "likewise",
        "config/set.exact_numbers": "Python tells 1 and 1.0 apart",
        "config/patch.exact_numbers": "likewise",
        "config/json_patch.exact_numbers": "likewise",
        "config/set_value.exact_numbers": "likewise",
    }
    MALFORMED = False

    def __init__(self, store: str) -> None:
        self.client = realmconf.connect(store, author="ada", sees_secrets=False)

    def close(self) -> None:
        self.client.close()

    def states(self, step: Step) -> bool:
        # A list of realms has no pages, unless one is asked for.
        return step.operation != "realm/list" or step.arguments.get("limit", 0) <= 1000

    def call(self, step: Step) -> Outcome:
        arguments = dict(step.arguments)
        try:
            if step.operation in WRITES:
                return ("ok", self._written(step.operation, arguments))
            method = getattr(self, step.operation.replace("/", "_"))
            if step.operation == "config/watch":
                arguments["count"] = step.count
            return ("ok", method(**arguments))
        except RealmconfError as refused:
            return refusal(refused.to_dict())

    # --- writing

    def _written(self, operation: str, arguments: dict[str, Any]) -> Any:
        realm = self.client.realm(arguments.pop("realm"))
        verb, names = WRITES[operation]
        first = [arguments.pop(name) for name in names]
        return self._shown(getattr(realm, verb)(*first, **arguments))

    def _shown(self, result: Any, *, source: str | None = None) -> Any:
        if isinstance(result, realmconf.Plan):
            others = [] if source is None else [self.client.realm(source).realm_id]
            veil = veil_of_plan(self.client, result, shows_secrets=False, others=others)
            return envelope.plan(result, veil=veil)
        return envelope.receipt(result, veil=self._veil(result.realm_id))

    def _veil(self, realm: str) -> Any:
        return veil_of(self.client, self.client.realm(realm).realm_id, shows_secrets=False)

    def realm_unset_parent(self, realm: str, **options: Any) -> Any:
        return self._shown(self.client.realm(realm).set_parent(None, **options))

    def policy_set(self, realm: str, policy: dict[str, Any], **options: Any) -> Any:
        return self._shown(self.client.realm(realm).set_policy(**policy, **options))

    def realm_rename(self, realm: str, to: str, **options: Any) -> Any:
        return self._shown(self.client.rename(realm, to, **options), source=realm)

    def realm_copy(self, realm: str, to: str, **options: Any) -> Any:
        return self._shown(self.client.copy(realm, to, **options), source=realm)

    def config_transaction(self, parts: list[Any], **options: Any) -> Any:
        pairs = [
            (part["realm"], {key: value for key, value in part.items() if key != "realm"})
            for part in parts
        ]
        return {"results": list(map(self._shown, self.client.transaction(pairs, **options)))}

    def config_settle(self, realm: str, write_id: str) -> Any:
        found = self.client.realm(realm).settle(write_id)
        return {
            "write_id": write_id,
            "outcome": type(found).__name__.lower(),
            "generation": getattr(found, "generation", None),
        }

    # --- reading

    def config_get(
        self, realm: str, view: str = "own", at: int | None = None, path: str | None = None
    ) -> Any:
        handle = self.client.realm(realm)
        place = None if path is None else realmconf.Pointer.parse(path)
        snapshot = handle.get() if at is None else handle.at(at)
        veil = self._veil(realm)
        if place is None:
            policy = realmconf.EnvelopePolicy.PUBLIC
            wire = snapshot.envelope(policy=policy, view=view).to_dict()
            return {**wire, "config": veil.over(wire["config"])}
        config = (snapshot.document if view == "own" else snapshot.config) or {}
        found = place.resolve(_plain(config))
        if found is realmconf.ABSENT:
            raise realmconf.errors.ValueNotFound(
                realm=snapshot.realm_id, pointer=str(place), generation=snapshot.generation
            )
        return veil.over(found, place)

    def config_explain(self, realm: str, path: str = "") -> Any:
        found = self.client.realm(realm).explain(path)
        return envelope.provenance(found, veil=self._veil(realm))

    def config_validate(self, realm: str, config: Any = None) -> Any:
        found = self.client.realm(realm).validate(config)
        return {"valid": not found, "violations": [dict(one) for one in found]}

    def config_watch(self, realm: str, after: Any = None, view: str = "own", *, count: int) -> Any:
        handle = self.client.realm(realm)
        if view == "effective" and isinstance(after, int) and after:
            after = handle.at(after)
        found = []
        with handle.watch(after, view=view, timeout=PATIENCE_SECONDS) as steps:
            for _, snapshot in zip(range(count), steps, strict=False):
                if view == "own":
                    veil = self._veil(realm)
                else:
                    veil = veil_of_step(self.client, snapshot, shows_secrets=False)
                found.append(envelope.step(snapshot, snapshot.changes, view=view, veil=veil))
        return found

    def config_history(self, realm: str, limit: int = 50, before: int | None = None) -> Any:
        found = self.client.realm(realm).history(limit=limit, before=before)
        more = len(found) == limit and found[-1].generation > 1
        veil = self._veil(realm)
        return {
            "realm": realm,
            "revisions": [envelope.revision(one, veil=veil, with_document=False) for one in found],
            "before": found[-1].generation if more else None,
        }

    def config_revision(self, realm: str, generation: int) -> Any:
        handle = self.client.realm(realm)
        found = handle.at(generation).revision
        assert found is not None
        veil = self._veil(realm)
        try:
            changes = envelope.changes(handle.diff(generation - 1, generation), veil=veil)
        except realmconf.HistoryCompacted:
            changes = None
        return {**envelope.revision(found, veil=veil, with_document=True), "changes": changes}

    def config_diff(self, realm: str, **ends: int) -> Any:
        handle = self.client.realm(realm)
        head = handle.get().generation
        start, end = ends.get("from", max(head - 1, 0)), ends.get("to", head)
        changes = envelope.changes(handle.diff(start, end), veil=self._veil(realm))
        return {"realm": realm, "from": start, "to": end, "changes": changes}

    def schema_get(self, realm: str) -> Any:
        found = self.client.realm(realm).schema
        return None if found is None else _plain(found)

    def policy_get(self, realm: str) -> Any:
        found = self.client.realm(realm).policy
        return {name: getattr(found, name) for name in found.__fields__}

    # --- realms

    def realm_get_parent(self, realm: str) -> Any:
        handle = self.client.realm(realm)
        return {
            "realm": realm,
            "parent": handle.parent,
            "lineage": [
                {"realm": str(one.realm), "generation": one.generation}
                for one in handle.get().lineage
            ],
        }

    def realm_list(self, after: str | None = None, limit: int = 1000) -> Any:
        found = self.client.realms(after=after, limit=limit)
        return {
            "realms": [
                {
                    "realm": str(one.realm),
                    "generation": one.generation,
                    "exists": one.exists,
                    "parent": one.parent,
                }
                for one in found
            ],
            "after": str(found[-1].realm) if len(found) == limit else None,
        }

    def realm_descendants(self, realm: str) -> Any:
        return list(map(str, self.client.descendants(realm)))

    def store_info(self) -> Any:
        found = self.client.info
        return {name: getattr(found, name) for name in found.__fields__}


def _plain(value: Any) -> Any:
    from realmconf.domain.frozen import thaw

    return thaw(value)
