"""
The table of operations: every name, parameter, summary, right and route, once.

What the rows do is in the modules that ``run`` names.
"""

from __future__ import annotations

from realmconf.runtime.access import ROLES
from realmconf.runtime.operations.table import Operation, Parameter, Route

# --- parameters that several operations share ---------------------------------------

VIEW = Parameter(
    name="view",
    kind="text",
    choices=("own", "effective"),
    default="own",
    help="own: what the realm itself states; effective: what applies to it, with all that it inherits",
)
PATH = Parameter(
    name="path",
    kind="pointer",
    help="a value of it: a JSON Pointer (/agent/model) or a dotted path (agent.model)",
)
EXPECTED_GENERATION = Parameter(
    name="expected_generation",
    kind="generation",
    help="refuse unless the realm is at this generation (0: never written)",
)
EXPECTED = Parameter(
    name="expected", kind="etag", help="refuse unless the realm is at this etag of its own view"
)
CREATE = Parameter(name="create", kind="flag", help="refuse if the realm has a document")
MUST_EXIST = Parameter(
    name="must_exist", kind="flag", help="refuse unless the realm has a document"
)
ON_CONFLICT = Parameter(
    name="on_conflict",
    kind="text",
    choices=("fail", "rebase"),
    default="fail",
    help="rebase: apply to the newest generation if nothing that this write touches has changed since "
    "the expected one",
)
DEPENDS_ON = Parameter(
    name="depends_on",
    kind="pointers",
    help="with rebase: values this write relies on",
)
MESSAGE = Parameter(name="message", kind="message", help="why, for the history")
WRITE_ID = Parameter(
    name="write_id",
    kind="write_id",
    help="makes a retry safe: the same id and request get the first answer",
)
DRY_RUN = Parameter(
    name="dry_run", kind="flag", help="answer with what would change, and change nothing"
)
EXACT_NUMBERS = Parameter(
    name="exact_numbers",
    kind="flag",
    help="take 1 and 1.0 as they are written, for senders that tell them apart; without, a number that equals the "
    "stored one keeps its type",
)

COMPARED = (EXPECTED_GENERATION, EXPECTED)
ALWAYS = (MESSAGE, WRITE_ID, DRY_RUN)
WRITING = (*COMPARED, CREATE, MUST_EXIST, ON_CONFLICT, DEPENDS_ON, *ALWAYS)
"""What a write of one realm's document takes."""
WRITE_OPTIONS = frozenset(parameter.name for parameter in WRITING)

IN_QUERY = ("expected_generation", "on_conflict", "depends_on", "message", "dry_run")
"""Options of a write that HTTP also takes in the query; the others have headers of their own."""


def _needed(parameter: Parameter) -> Parameter:
    return parameter.replace(required=True)


def _generation(name: str, meaning: str) -> Parameter:
    return Parameter(name=name, kind="generation", help=meaning)


def _revision(name: str, meaning: str) -> Parameter:
    return Parameter(name=name, kind="revision", help=meaning, required=True)


_HERE = "realmconf.runtime.operations."
_REALM = "/v1/realms/{realm}"

READING, CHANGING, HISTORY, GOVERNING, REALMS, TOKENS, STORE = (
    "Read",
    "Change",
    "History",
    "Schema and policy",
    "Realms",
    "Tokens",
    "Store",
)

OPERATIONS: tuple[Operation, ...] = (
    # --- read
    Operation(
        name="config/get",
        group=READING,
        summary="read the configuration, or one value of it",
        details="Of a realm without a document the configuration of its own view is null.",
        run=_HERE + "reading:get",
        role="read",
        parameters=(
            VIEW,
            _generation("at", "the realm as it was at this generation"),
            PATH,
            Parameter(
                name="after",
                kind="cursor",
                help="answer as soon as the view is beyond this cursor, etag or generation",
            ),
            Parameter(
                name="wait", kind="wait", help="how long to wait for that; at most 60 seconds"
            ),
        ),
        answer="view",
        route=Route(method="GET", path=_REALM + "/config"),
        tool="config_get",
        command="get",
    ),
    Operation(
        name="config/explain",
        group=READING,
        summary="find out where a value comes from, what it shadows, and who masks it",
        details="Of the effective configuration: the realm that states the value, since which generation, who wrote "
        "it, when and why. Of a section, the same for each value in it.",
        run=_HERE + "reading:explain",
        role="read",
        parameters=(PATH,),
        answer="provenance",
        route=Route(method="GET", path=_REALM + "/explain"),
        tool="config_explain",
        command="explain",
    ),
    Operation(
        name="config/watch",
        group=READING,
        summary="follow every change as it happens",
        details="Every generation after the cursor, once and in order, or a reset where that cannot be told.",
        run=_HERE + "reading:watch",
        role="read",
        parameters=(
            VIEW,
            Parameter(
                name="after", kind="cursor", help="start after this cursor, etag or generation"
            ),
        ),
        answer="step",
        streams=True,
        route=Route(method="GET", path=_REALM + "/watch"),
        command="watch",
    ),
    Operation(
        name="config/watch_once",
        group=READING,
        summary="wait for the next change, and answer with it",
        details="`changed` is false if there was none in that time. Go on from `cursor`.",
        run=_HERE + "reading:watch_once",
        role="read",
        parameters=(
            VIEW,
            Parameter(
                name="after",
                kind="cursor",
                help="a change after this cursor, etag or generation; without it, from now on",
            ),
            Parameter(
                name="wait",
                kind="wait",
                default=30,
                help="how long to wait; at most 60 seconds",
            ),
        ),
        answer="step_or_none",
        tool="config_watch_once",
    ),
    Operation(
        name="config/validate",
        group=READING,
        summary="list everything in which the configuration does not fit its schemas",
        details="With a document: what it would be with that as the realm's own; nothing is written.",
        run=_HERE + "reading:validate",
        role="read",
        parameters=(Parameter(name="config", kind="document", help="an own document to try"),),
        answer="violations",
        route=Route(
            method="POST",
            path=_REALM + "/validate",
            bare=(("application/vnd.realmconf.document+json", "config"),),
        ),
        command="validate",
    ),
    # --- change
    Operation(
        name="config/set",
        group=CHANGING,
        summary="replace the whole document",
        details="The own document, as given. A mark that stands for a secret keeps the stored secret.",
        run=_HERE + "changing:set_document",
        role="write",
        parameters=(
            Parameter(
                name="config",
                kind="document",
                required=True,
                help="the document, without nulls; an envelope is not one",
            ),
            EXACT_NUMBERS,
            *WRITING,
        ),
        answer="receipt",
        writes=True,
        route=Route(
            method="PUT",
            path=_REALM + "/config",
            bare=(
                ("application/vnd.realmconf.document+json", "config"),
                ("application/toml", "config"),
            ),
            query=IN_QUERY,
        ),
        command="replace",
    ),
    Operation(
        name="config/patch",
        group=CHANGING,
        summary="apply a merge patch (RFC 7396)",
        details="Objects are merged key by key, everything else is replaced, null removes.",
        run=_HERE + "changing:patch",
        role="write",
        parameters=(
            Parameter(name="patch", kind="merge_patch", required=True, help="the merge patch"),
            EXACT_NUMBERS,
            *WRITING,
        ),
        answer="receipt",
        writes=True,
        route=Route(
            method="PATCH",
            path=_REALM + "/config",
            bare=(("application/merge-patch+json", "patch"),),
            query=IN_QUERY,
        ),
        command="patch",
    ),
    Operation(
        name="config/json_patch",
        group=CHANGING,
        summary="apply a JSON Patch (RFC 6902)",
        details="All operations or none; `test` operations are preconditions.",
        run=_HERE + "changing:json_patch",
        role="write",
        parameters=(
            Parameter(
                name="operations", kind="operations", required=True, help="the operations, in order"
            ),
            EXACT_NUMBERS,
            *WRITING,
        ),
        answer="receipt",
        writes=True,
        route=Route(
            method="PATCH",
            path=_REALM + "/config",
            bare=(("application/json-patch+json", "operations"),),
            query=IN_QUERY,
        ),
        command="json-patch",
    ),
    Operation(
        name="config/set_value",
        group=CHANGING,
        summary="set one value",
        run=_HERE + "changing:set_value",
        role="write",
        parameters=(
            _needed(PATH),
            Parameter(name="value", kind="value", required=True, help="the new value"),
            EXACT_NUMBERS,
            *WRITING,
        ),
        answer="receipt",
        writes=True,
        command="set",
    ),
    Operation(
        name="config/unset",
        group=CHANGING,
        summary="remove one value",
        details="What the realm states itself; that it is not there is no error.",
        run=_HERE + "changing:unset",
        role="write",
        parameters=(_needed(PATH), *WRITING),
        answer="receipt",
        writes=True,
        command="unset",
    ),
    Operation(
        name="config/plan",
        group=CHANGING,
        summary="propose a change: what it would do, and a plan to carry out",
        details="Answers with the changes to the realm's own and effective configuration, the realms that inherit "
        "them, and a `plan_id` that is good for ten minutes, for its caller, once. Nothing is written.",
        run=_HERE + "planning:plan",
        role="write",
        parameters=(
            Parameter(
                name="patch", kind="merge_patch", required=True, help="a merge patch (RFC 7396)"
            ),
            _needed(EXPECTED_GENERATION),
            Parameter(name="reason", kind="message", required=True, help="why, for the history"),
        ),
        answer="planned",
        tool="config_plan",
    ),
    Operation(
        name="config/apply",
        group=CHANGING,
        summary="carry out a plan",
        details="Exactly what was planned, on top of what others have changed elsewhere since. After a conflict read "
        "the configuration again and make a new plan; the same one never succeeds later.",
        run=_HERE + "planning:apply",
        role="write",
        on="each",
        parameters=(
            Parameter(name="plan_id", kind="write_id", required=True, help="what config/plan gave"),
        ),
        answer="receipt",
        writes=True,
        tool="config_apply",
    ),
    Operation(
        name="config/transaction",
        group=CHANGING,
        summary="write several realms, all or none",
        details="Each part names a realm, has one verb (set, set_value, unset, patch, json_patch, delete, rollback) "
        "and its preconditions.",
        run=_HERE + "changing:transaction",
        role="write",
        on="each",
        parameters=(
            Parameter(name="parts", kind="parts", required=True, help="the parts, of a realm each"),
            *ALWAYS,
        ),
        answer="receipts",
        writes=True,
        route=Route(method="POST", path="/v1/transactions", query=("message", "dry_run")),
    ),
    # --- history
    Operation(
        name="config/history",
        group=HISTORY,
        summary="list who changed what, when and why, newest first",
        run=_HERE + "reading:history",
        role="read",
        parameters=(
            Parameter(name="limit", kind="page", default=50, help="at most so many"),
            _generation("before", "only generations before this one"),
        ),
        answer="revisions",
        route=Route(method="GET", path=_REALM + "/revisions"),
        tool="config_history",
        command="log",
    ),
    Operation(
        name="config/revision",
        group=HISTORY,
        summary="read one generation: its record and its changes",
        run=_HERE + "reading:revision",
        role="read",
        parameters=(_revision("generation", "the generation"),),
        answer="revision",
        route=Route(method="GET", path=_REALM + "/revisions/{generation}"),
        command="show",
    ),
    Operation(
        name="config/diff",
        group=HISTORY,
        summary="list the changes between two generations",
        details="Without either: the last change. With the first alone: from there to the newest generation.",
        run=_HERE + "reading:diff",
        role="read",
        parameters=(
            _generation("from", "from this generation"),
            _generation("to", "to this one"),
        ),
        answer="diff",
        route=Route(method="GET", path=_REALM + "/diff"),
        tool="config_diff",
        command="diff",
    ),
    Operation(
        name="config/blame",
        group=HISTORY,
        summary="list who set each value of the realm's own document",
        details="What the realm inherits is not in it: explain tells of that too.",
        run=_HERE + "reading:blame",
        role="read",
        parameters=(PATH,),
        answer="blame",
        route=Route(method="GET", path=_REALM + "/blame"),
        command="blame",
    ),
    Operation(
        name="config/rollback",
        group=HISTORY,
        summary="bring back the document of an older generation, as a new one",
        run=_HERE + "changing:rollback",
        role="write",
        parameters=(
            _revision("to", "the generation whose document comes back"),
            *(one for one in WRITING if one is not CREATE),
        ),
        answer="receipt",
        writes=True,
        route=Route(method="POST", path=_REALM + "/rollback", query=IN_QUERY),
        command="rollback",
    ),
    Operation(
        name="config/delete",
        group=HISTORY,
        summary="delete the document; the history stays, and goes on counting",
        run=_HERE + "changing:delete",
        role="write",
        parameters=tuple(one for one in WRITING if one is not CREATE),
        answer="receipt",
        writes=True,
        route=Route(method="DELETE", path=_REALM + "/config", query=IN_QUERY),
        command="delete",
    ),
    Operation(
        name="config/settle",
        group=HISTORY,
        summary="find out what became of a write, and if nothing did, see to it that nothing will",
        details="committed: it was applied, and made or left `generation`. void: it was not, and never will be. "
        "pending: it cannot be told now; ask again.",
        run=_HERE + "changing:settle",
        role="write",
        parameters=(Parameter(name="write_id", kind="write_id", required=True, help="its id"),),
        answer="settled",
        route=Route(method="GET", path=_REALM + "/commits/{write_id}"),
    ),
    # --- schema and policy
    Operation(
        name="schema/get",
        group=GOVERNING,
        summary="read the schema that is attached to the realm itself",
        run=_HERE + "governing:schema",
        role="read",
        answer="schema",
        route=Route(method="GET", path=_REALM + "/schema"),
        command="schema show",
    ),
    Operation(
        name="schema/set",
        group=GOVERNING,
        summary="attach a JSON Schema (2020-12) to the realm",
        details="It is versioned with the realm, applies to every write to it and to the realms that inherit from it, "
        "and judges the effective configuration. What it calls secret stays secret.",
        run=_HERE + "governing:set_schema",
        role="admin",
        parameters=(
            Parameter(name="schema", kind="schema", required=True, help="the schema"),
            Parameter(
                name="patch",
                kind="merge_patch",
                help="a merge patch that makes the document fit, in the same generation",
            ),
            *WRITING,
        ),
        answer="receipt",
        writes=True,
        route=Route(
            method="PUT",
            path=_REALM + "/schema",
            bare=(("application/schema+json", "schema"),),
            query=IN_QUERY,
        ),
        command="schema set",
    ),
    Operation(
        name="schema/unset",
        group=GOVERNING,
        summary="take the realm's own schema away; what it called secret stays secret",
        run=_HERE + "governing:unset_schema",
        role="admin",
        parameters=WRITING,
        answer="receipt",
        writes=True,
        route=Route(method="DELETE", path=_REALM + "/schema", query=IN_QUERY),
        command="schema unset",
    ),
    Operation(
        name="policy/get",
        group=GOVERNING,
        summary="read what the realm asks of its writers",
        run=_HERE + "governing:policy",
        role="read",
        answer="policy",
        route=Route(method="GET", path=_REALM + "/policy"),
        command="policy show",
    ),
    Operation(
        name="policy/set",
        group=GOVERNING,
        summary="change what the realm asks of its writers; what is not named stays",
        run=_HERE + "governing:set_policy",
        role="admin",
        parameters=(
            Parameter(
                name="policy",
                kind="policy",
                required=True,
                help="require_generation (every write must state what it expects) and history_keep (generations "
                "that compaction keeps; null: all)",
            ),
            *COMPARED,
            *ALWAYS,
        ),
        answer="receipt",
        writes=True,
        route=Route(
            method="PUT",
            path=_REALM + "/policy",
            query=("expected_generation", "message", "dry_run"),
        ),
        command="policy set",
    ),
    # --- realms
    Operation(
        name="realm/list",
        group=REALMS,
        summary="list the realms of the store",
        details="Those that the caller may read, by name.",
        run=_HERE + "realms:realms",
        role="read",
        on="each",
        parameters=(
            Parameter(name="after", kind="text", help="only names after this one"),
            Parameter(name="limit", kind="page", default=1000, help="at most so many"),
        ),
        answer="realms",
        route=Route(method="GET", path="/v1/realms"),
        command="realms",
    ),
    Operation(
        name="realm/descendants",
        group=REALMS,
        summary="list the realms that inherit from this one",
        run=_HERE + "realms:descendants",
        role="read",
        answer="names",
    ),
    Operation(
        name="realm/get_parent",
        group=REALMS,
        summary="read what the realm inherits from",
        details="The parent that it names, and the realms whose values it has, the nearest first.",
        run=_HERE + "realms:get_parent",
        role="read",
        answer="parent",
        command="parent show",
    ),
    Operation(
        name="realm/set_parent",
        group=REALMS,
        summary="let the realm inherit from another one",
        run=_HERE + "realms:set_parent",
        role="admin",
        parameters=(
            Parameter(name="parent", kind="realm", required=True, help="the parent"),
            *WRITING,
        ),
        answer="receipt",
        writes=True,
        command="parent set",
    ),
    Operation(
        name="realm/unset_parent",
        group=REALMS,
        summary="let the realm inherit from nobody but global",
        run=_HERE + "realms:unset_parent",
        role="admin",
        parameters=WRITING,
        answer="receipt",
        writes=True,
        command="parent unset",
    ),
    Operation(
        name="realm/rename",
        group=REALMS,
        summary="give a realm another name, with its history",
        details="This needs admin on both names. What is expected is expected of the old one.",
        run=_HERE + "realms:rename",
        role="admin",
        parameters=(
            Parameter(name="to", kind="realm", required=True, help="its new name"),
            *COMPARED,
            *ALWAYS,
        ),
        answer="placed",
        writes=True,
        command="rename",
    ),
    Operation(
        name="realm/copy",
        group=REALMS,
        summary="start a realm with the document of another one",
        details="This needs read on this realm and admin on the other. What is expected is expected of that one, "
        "which may then have a document.",
        run=_HERE + "realms:copy",
        role="read",
        parameters=(
            Parameter(
                name="to", kind="realm", required=True, help="the realm that gets the document"
            ),
            *COMPARED,
            *ALWAYS,
        ),
        answer="placed",
        writes=True,
        command="copy",
    ),
    # --- tokens
    Operation(
        name="token/create",
        group=TOKENS,
        summary="make a token; its text is shown this once",
        details="Whoever makes one cannot give it more than they have: the same realms or fewer, no role more, no "
        "longer time. What is made with a token ends with it, and the history tells whose it is: `name (maker)`.",
        run=_HERE + "tokens:create",
        role="admin",
        on="each",
        parameters=(
            Parameter(
                name="realms",
                kind="patterns",
                required=True,
                help="the realms it is for; * stands for any characters",
            ),
            Parameter(
                name="roles",
                kind="roles",
                required=True,
                help=f"one or more of {', '.join(ROLES)}; admin implies write, which implies read",
            ),
            Parameter(
                name="paths",
                kind="places",
                help="places that it may write, with all below each; an array is one value, so that a place in one "
                "permits nothing; without: anywhere",
            ),
            Parameter(
                name="name", kind="token_name", help="who its writes are by; without: its id"
            ),
            Parameter(
                name="expires",
                kind="lifetime",
                help="seconds until it ends; without: never, or with its maker",
            ),
        ),
        answer="new_token",
        writes=True,
        route=Route(method="POST", path="/v1/tokens"),
        methods=False,
        command="token create",
    ),
    Operation(
        name="token/list",
        group=TOKENS,
        summary="list the tokens, without their texts",
        details="Who is no admin of the whole store sees its own, and those that were made with it.",
        run=_HERE + "tokens:listed",
        role="admin",
        on="each",
        answer="tokens",
        route=Route(method="GET", path="/v1/tokens"),
        methods=False,
        command="token list",
    ),
    Operation(
        name="token/revoke",
        group=TOKENS,
        summary="end a token, and those made with it; their open streams end within a second",
        details="Who is no admin of the whole store ends its own, and those that were made with it. `also_revoked` has "
        "the ids of those that ended with the one that was named.",
        run=_HERE + "tokens:revoke",
        role="admin",
        on="each",
        parameters=(
            Parameter(name="id", kind="token_id", required=True, help="its id, as the list has it"),
        ),
        answer="ended_token",
        writes=True,
        route=Route(method="DELETE", path="/v1/tokens/{id}"),
        methods=False,
        command="token revoke",
    ),
    # --- the store
    Operation(
        name="store/info",
        group=STORE,
        summary="read what the store promises, and where it is weaker",
        run=_HERE + "realms:info",
        role="read",
        on="each",
        answer="info",
        route=Route(method="GET", path="/v1/store"),
    ),
)

BY_NAME = {operation.name: operation for operation in OPERATIONS}
BY_TOOL = {operation.tool: operation for operation in OPERATIONS if operation.tool is not None}
