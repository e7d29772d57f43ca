"""
The table of commands: every name, argument and summary of the command line.

Help, completion and ``docs/reference/cli.md`` are printed from it.  What the table of operations says of an
operation and its parameters is not said again here: ``wording`` takes it from there.  What the commands do is in the
modules that ``run`` names.
"""

from __future__ import annotations

from realmconf.surfaces.cli.table import Command, Operand, Option

# --- options that several commands share ---------------------------------------

GLOBAL_OPTIONS = (
    Option(
        names=("--store",),
        kind="text",
        label="URL",
        help="the store: a folder, sqlite:///folder, memory://, or a server: http://localhost:port, https://host (else "
        "$REALMCONF_STORE, the nearest "
        ".realmconf/ folder, the user's data folder)",
    ),
    Option(
        names=("--realm",),
        kind="realm",
        label="NAME",
        help="the realm (else $REALMCONF_REALM, the project's, a name derived from the project's folder)",
    ),
    Option(
        names=("--author",),
        kind="text",
        label="NAME",
        help="who writes (else $REALMCONF_AUTHOR, else user@host)",
    ),
    Option(
        names=("-o", "--output"),
        kind="choice",
        label="FORMAT",
        choices=("text", "json"),
        help="text for people (default), or one JSON value on standard output, errors included",
    ),
    Option(
        names=("--timeout",),
        kind="seconds",
        label="SECONDS",
        help="how long to wait for the turn to write",
    ),
)

EXPECTED_GENERATION = Option(names=("--expected-generation",), kind="generation", label="N")
EXPECTED = Option(names=("--expected",), kind="text", label="ETAG")
CREATE = Option(names=("--create",))
MUST_EXIST = Option(names=("--must-exist",))
ON_CONFLICT = Option(
    names=("--on-conflict",), kind="choice", label="WHAT", choices=("fail", "rebase")
)
DEPENDS_ON = Option(names=("--depends-on",), kind="pointer", label="PATH", repeats=True)
MESSAGE = Option(names=("-m", "--message"), kind="text", label="TEXT")
WRITE_ID = Option(names=("--write-id",), kind="text", label="ID")
DRY_RUN = Option(names=("--dry-run",))
SHOW_SECRETS = Option(names=("--show-secrets",), help="print secrets in clear text, not as marks")

COMPARED = (EXPECTED_GENERATION, EXPECTED)
ALWAYS = (MESSAGE, WRITE_ID, DRY_RUN)
WRITING_WHAT_IS_THERE = (*COMPARED, MUST_EXIST, ON_CONFLICT, DEPENDS_ON, *ALWAYS)
WRITING = (*COMPARED, CREATE, MUST_EXIST, ON_CONFLICT, DEPENDS_ON, *ALWAYS)
ONE_PRECONDITION = (("expected_generation", "expected"),)

PATH = Operand(
    destination="path",
    label="PATH",
    kind="pointer",
    help="dotted (agent.model), or a JSON Pointer if it starts with / (/agent/model)",
)
OPTIONAL_PATH = PATH.replace(required=False)
FORMAT = Option(
    names=("--format",),
    kind="choice",
    label="FORMAT",
    choices=("toml", "json", "yaml"),
    help="toml (default), json, or yaml",
)
LIMIT = Option(names=("-n", "--limit"), kind="count", label="N")
OWN = Option(names=("--own",), parameter="view", help="only what the realm itself states")


def _generation(destination: str, label: str, parameter: str, *, required: bool = True) -> Operand:
    return Operand(
        destination=destination,
        label=label,
        kind="revision",
        parameter=parameter,
        required=required,
    )


def _realm(destination: str, label: str, parameter: str, *, meaning: str = "") -> Operand:
    return Operand(
        destination=destination, label=label, kind="realm", parameter=parameter, help=meaning
    )


def _action(*choices: str) -> Operand:
    return Operand(
        destination="action",
        label="|".join(choices),
        kind="choice",
        choices=choices,
        help="what to do",
    )


def _file(meaning: str, *, required: bool, parameter: str = "") -> Operand:
    return Operand(
        destination="file",
        label="FILE",
        kind="file",
        help=meaning,
        required=required,
        parameter=parameter,
    )


def _json_text(parameter: str, meaning: str) -> Option:
    return Option(names=("--json",), kind="text", label="TEXT", help=meaning, parameter=parameter)


_MODULES = "realmconf.surfaces.cli."

_AGENTS = (
    Option(
        names=("--allow-write",),
        help="let agents (MCP) change configurations, below --allow-path alone",
    ),
    Option(
        names=("--allow-path",),
        kind="pointer",
        label="PATH",
        repeats=True,
        help="with --allow-write: what agents may change is at this place or below it (/: anywhere); may be repeated",
    ),
)

READING, CHANGING, HISTORY, FILES, REALMS, STORE, SERVING, OTHER = (
    "Read",
    "Change",
    "History",
    "Working copy",
    "Realms",
    "The store",
    "Serve",
    "Other",
)
GROUPS = (READING, CHANGING, HISTORY, FILES, REALMS, STORE, SERVING, OTHER)

COMMANDS: tuple[Command, ...] = (
    # --- read
    Command(
        name="get",
        group=READING,
        details="A single string, number or boolean is printed bare. A whole configuration in JSON or YAML is "
        "the envelope: the configuration with its generation, realm and view. Where the realm's parents cannot be "
        "used there is only --own.",
        run=_MODULES + "reading:get",
        operands=(OPTIONAL_PATH,),
        options=(
            OWN,
            Option(
                names=("--effective",),
                parameter="view",
                help="what applies to the realm, with all that it inherits (default)",
            ),
            Option(
                names=("--at",),
                kind="revision",
                label="G",
                help="the realm's own document as it was at generation G",
            ),
            FORMAT,
            Option(names=("--with-generation",), help="print the generation too"),
            SHOW_SECRETS,
        ),
        exclusive=(("own", "effective"), ("at", "effective")),
    ),
    Command(
        name="explain",
        group=READING,
        run=_MODULES + "explaining:explain",
        operands=(OPTIONAL_PATH,),
    ),
    Command(
        name="watch",
        group=READING,
        details="A line for each change, or a JSON line for each generation; without --own also for those of the "
        "realms that are inherited from. --exec gets marks in place of secrets. Ends with Ctrl-C.",
        run=_MODULES + "watching:watch",
        operands=(OPTIONAL_PATH,),
        options=(
            Option(
                names=("--after",),
                kind="text",
                label="CURSOR",
                help="start after this generation, etag or cursor instead of now",
            ),
            OWN,
            Option(
                names=("--exec",),
                kind="text",
                label="COMMAND",
                help="run a shell command at every generation, with the new configuration as JSON on its input",
            ),
            Option(
                names=("-n", "--count"), kind="count", label="N", help="end after N generations"
            ),
        ),
    ),
    # --- change
    Command(
        name="set",
        group=CHANGING,
        details='VALUE is read as exactly one TOML value (12, 0.5, true, [1, 2], "text"), else it is taken '
        "as text; and where the schema wants text, as text in the first place. Put -- before a VALUE that starts "
        "with a dash.",
        run=_MODULES + "writing:set_value",
        operands=(
            PATH,
            Operand(
                destination="value",
                label="VALUE",
                kind="text",
                required=False,
            ),
        ),
        options=(
            Option(
                names=("--text",),
                parameter="value",
                help="take VALUE as text, whatever it looks like",
            ),
            Option(
                names=("--stdin",),
                parameter="value",
                help="read the text from standard input, so that a secret is in no process list",
            ),
            *WRITING,
        ),
        exclusive=ONE_PRECONDITION,
    ),
    Command(
        name="unset",
        group=CHANGING,
        details="A value that the realm inherits is left out with --mask.",
        run=_MODULES + "writing:unset",
        operands=(PATH,),
        options=(
            Option(names=("--mask",), help="also do not inherit what is inherited there"),
            Option(
                names=("--unmask",), help="inherit again what --mask left out, and remove nothing"
            ),
            *WRITING,
        ),
        exclusive=(("mask", "unmask"), *ONE_PRECONDITION),
    ),
    Command(
        name="replace",
        group=CHANGING,
        details="Takes TOML, JSON or YAML: a bare document, or what `get --own --format json` printed, whose "
        "generation is then the expected one. Empty standard input is refused: an empty document is --toml ''.",
        run=_MODULES + "writing:replace",
        operands=(
            _file(
                "TOML, JSON or YAML; - or nothing: standard input",
                required=False,
                parameter="config",
            ),
        ),
        options=(
            Option(
                names=("--toml",),
                kind="text",
                label="TEXT",
                parameter="config",
                help="the document as TOML",
            ),
            _json_text("config", "the document as JSON"),
            *WRITING,
        ),
        exclusive=(("file", "toml", "json"), *ONE_PRECONDITION),
    ),
    Command(
        name="patch",
        group=CHANGING,
        run=_MODULES + "writing:patch",
        operands=(
            _file(
                "JSON, TOML or YAML; - or nothing: standard input",
                required=False,
                parameter="patch",
            ),
        ),
        options=(_json_text("patch", "the patch as JSON"), *WRITING),
        exclusive=(("file", "json"), *ONE_PRECONDITION),
    ),
    Command(
        name="json-patch",
        group=CHANGING,
        run=_MODULES + "writing:json_patch",
        operands=(
            _file(
                "a JSON array; - or nothing: standard input",
                required=False,
                parameter="operations",
            ),
        ),
        options=(_json_text("operations", "the operations as JSON"), *WRITING),
        exclusive=(("file", "json"), *ONE_PRECONDITION),
    ),
    Command(
        name="edit",
        group=CHANGING,
        summary="edit the document in $EDITOR",
        details="What somebody else changes meanwhile is merged; where both changed the same value, both are shown "
        "for a decision. Your text stays on disk until it is in. Secrets are shown as a mark; a mark that is left "
        "in its place keeps the secret.",
        run=_MODULES + "editing:edit",
        options=(MESSAGE, WRITE_ID, DRY_RUN),
    ),
    # --- history
    Command(
        name="log",
        group=HISTORY,
        run=_MODULES + "history:log",
        options=(
            LIMIT.replace(default="20"),
            Option(names=("--before",), kind="revision", label="G"),
            Option(names=("-p", "--patch"), help="with the changes of each"),
        ),
    ),
    Command(
        name="show",
        group=HISTORY,
        run=_MODULES + "history:show",
        operands=(_generation("generation", "G", "generation"),),
    ),
    Command(
        name="diff",
        group=HISTORY,
        run=_MODULES + "history:diff",
        operands=(
            _generation("a", "A", "from", required=False),
            _generation("b", "B", "to", required=False),
        ),
    ),
    Command(
        name="blame",
        group=HISTORY,
        run=_MODULES + "history:blame",
        operands=(OPTIONAL_PATH,),
    ),
    Command(
        name="rollback",
        group=HISTORY,
        run=_MODULES + "writing:rollback",
        operands=(_generation("generation", "G", "to"),),
        options=WRITING_WHAT_IS_THERE,
        exclusive=ONE_PRECONDITION,
    ),
    Command(
        name="delete",
        group=HISTORY,
        run=_MODULES + "writing:delete",
        options=WRITING_WHAT_IS_THERE,
        exclusive=ONE_PRECONDITION,
    ),
    Command(
        name="purge",
        group=HISTORY,
        summary="erase the document of an older generation for good, or one value of it",
        details="For a secret that must not stay in the history. The record of the generation stays, and "
        "the chain of digests stays verifiable.",
        run=_MODULES + "maintenance:purge",
        operands=(
            _generation("generation", "G", "").replace(
                help="the generation, older than the newest"
            ),
        ),
        options=(
            Option(names=("--path",), kind="pointer", label="PATH", help="erase this value only"),
        ),
    ),
    # --- working copy
    Command(
        name="status",
        group=FILES,
        summary="print the state of the working copy, and what to do about it",
        details="Also tells where the effective configuration does not fit its schema, or cannot be composed.",
        run=_MODULES + "working_copy:status",
        options=(Option(names=("--all",), help="of every realm of the store"),),
    ),
    Command(
        name="resolve",
        group=FILES,
        summary="settle a working copy that is contested or broken",
        run=_MODULES + "working_copy:resolve",
        options=(
            Option(names=("--head",), help="keep the realm as it is, drop the hand edit"),
            Option(names=("--edit",), help="merge both in $EDITOR"),
            Option(
                names=("--file",), kind="file", label="FILE", help="take this file as the document"
            ),
            MESSAGE,
        ),
        exclusive=(("head", "edit", "file"),),
    ),
    # --- realms
    Command(
        name="init",
        group=REALMS,
        summary="make .realmconf/ here, so that the project keeps its realms in its own tree",
        details="Also makes a fresh clone of such a project usable: the documents in its working copies become "
        "the first generations of this machine's history.",
        run=_MODULES + "initialise:init",
        options=(
            Option(
                names=("--from",),
                kind="file",
                label="FILE",
                help="start with this document (TOML, JSON or YAML)",
            ),
            Option(
                names=("--schema",),
                kind="file",
                label="FILE|NAME",
                help="attach this JSON Schema: a file (JSON, TOML or YAML), or the name of a built-in one",
            ),
            MESSAGE,
        ),
    ),
    Command(
        name="realms",
        group=REALMS,
        run=_MODULES + "realms:realms",
        options=(
            Option(names=("--after",), kind="text", label="NAME"),
            LIMIT,
            Option(names=("--tree",), help="those that have a document, each below its parent"),
        ),
        exclusive=(("tree", "after"), ("tree", "limit")),
    ),
    Command(
        name="parent",
        group=REALMS,
        summary="show or change what the realm inherits from",
        details="Every realm also inherits from `global`, if there is one. A parent that would make a realm inherit "
        "from itself, that does not exist, or that makes the chain too long is refused.",
        run=_MODULES + "lineage:parent",
        operands=(
            _action("show", "set", "unset"),
            _realm("name", "NAME", "parent").replace(required=False),
        ),
        options=WRITING,
        exclusive=ONE_PRECONDITION,
    ),
    Command(
        name="schema",
        group=REALMS,
        summary="show or change what the realm's configuration must be",
        run=_MODULES + "schemas:schema",
        operands=(
            _action("show", "set", "unset"),
            Operand(
                destination="source",
                label="FILE|NAME",
                kind="file",
                required=False,
                parameter="schema",
                help="with set: a file (JSON, TOML or YAML; -: standard input), or the name of a built-in schema",
            ),
        ),
        options=(
            Option(
                names=("--patch",),
                kind="file",
                label="FILE",
                help="with set: a merge patch that makes the document fit, in the same generation",
            ),
            *WRITING,
        ),
        exclusive=ONE_PRECONDITION,
    ),
    Command(
        name="validate",
        group=REALMS,
        details="Exit code 4 if there is anything.",
        run=_MODULES + "schemas:validate",
        operands=(
            _file("TOML, JSON or YAML; -: standard input", required=False, parameter="config"),
        ),
    ),
    Command(
        name="rename",
        group=REALMS,
        run=_MODULES + "realms:rename",
        operands=(_realm("old", "A", "realm", meaning="the realm"), _realm("new", "B", "to")),
        options=(*COMPARED, *ALWAYS),
        exclusive=ONE_PRECONDITION,
    ),
    Command(
        name="copy",
        group=REALMS,
        run=_MODULES + "realms:copy",
        operands=(_realm("old", "A", "realm", meaning="the realm"), _realm("new", "B", "to")),
        options=(*COMPARED, *ALWAYS),
        exclusive=ONE_PRECONDITION,
    ),
    Command(
        name="policy",
        group=REALMS,
        summary="show or set what the realm asks of its writers",
        details="Settings: require_generation=true|false (every write must state what it expects), "
        "history_keep=N|all (generations that compact keeps).",
        run=_MODULES + "realms:policy",
        operands=(
            _action("show", "set"),
            Operand(
                destination="settings",
                label="KEY=VALUE",
                kind="text",
                required=False,
                repeats=True,
                parameter="policy",
                help="with set: the settings to change",
            ),
        ),
        options=(*COMPARED, *ALWAYS),
        exclusive=ONE_PRECONDITION,
    ),
    # --- the store
    Command(
        name="export",
        group=STORE,
        summary="write the history of every realm, or of one, as JSON Lines",
        details="Marks stand in place of secrets unless --show-secrets is given; an export that lacks some cannot be "
        "imported.",
        run=_MODULES + "maintenance:export",
        operands=(_file("a new file; - or nothing: standard output", required=False),),
        options=(SHOW_SECRETS,),
    ),
    Command(
        name="import",
        group=STORE,
        summary="take in an export",
        run=_MODULES + "maintenance:import_",
        details="A realm that was never written here gets its whole history, any other its newest document "
        "as a new generation.",
        operands=(_file("what export wrote; -: standard input", required=True),),
        options=(MESSAGE,),
    ),
    Command(
        name="backup",
        group=STORE,
        summary="write a consistent copy of the whole store to a new file, while it is in use",
        run=_MODULES + "maintenance:backup",
        operands=(_file("a new file", required=True),),
    ),
    Command(
        name="restore",
        group=STORE,
        summary="bring back the documents of a backup, as new generations",
        run=_MODULES + "maintenance:restore",
        operands=(_file("what backup wrote", required=True),),
        options=(MESSAGE,),
    ),
    Command(
        name="migrate",
        group=STORE,
        summary="move realms into another store, with its history, while both are in use",
        details="Numbers, digests, authors, schemas and write ids stay as they are. Whoever asks the old store "
        "afterwards is told where to go. After an interruption the same command goes on. --realm moves one realm, "
        "and those that it inherits from or that inherit from it.",
        run=_MODULES + "moving:migrate",
        operands=(
            Operand(
                destination="source", label="FROM", kind="text", help="the store to move out of"
            ),
            Operand(destination="target", label="TO", kind="text", help="the store to move into"),
        ),
        options=(
            Option(
                names=("--live",),
                help="let writers go on while history is copied; they wait for the last few generations only",
            ),
            Option(names=("--dry-run",), help="say what would move, and what stands in the way"),
        ),
    ),
    Command(
        name="compact",
        group=STORE,
        summary="remove old generations",
        details="Never the newest one. Without options: what each realm's policy does not ask to keep.",
        run=_MODULES + "maintenance:compact",
        options=(
            Option(
                names=("--keep",), kind="count", label="N", help="keep the newest N generations"
            ),
            Option(
                names=("--older-than",),
                kind="duration",
                label="AGE",
                help="remove only what is older: 90d, 12h, 30m",
            ),
        ),
    ),
    Command(
        name="verify",
        group=STORE,
        summary="check the chain of digests of every realm, or of one",
        details="Of every realm: also of the records that realmconf keeps for itself (tokens, plans), unless the store "
        "is a server's.",
        run=_MODULES + "maintenance:verify",
    ),
    Command(
        name="doctor",
        group=STORE,
        summary="look for what is wrong or weak here, and say what to do",
        run=_MODULES + "doctor:doctor",
    ),
    Command(
        name="token",
        group=STORE,
        summary="make, list or end the tokens that a server takes",
        run=_MODULES + "tokens:token",
        operands=(
            _action("create", "list", "revoke"),
            Operand(destination="id", label="ID", kind="text", required=False),
        ),
        options=(
            Option(names=("--realms",), kind="text", label="PATTERN", repeats=True),
            Option(
                names=("--role",),
                kind="choice",
                label="ROLE",
                choices=("read", "write", "admin", "secrets"),
                repeats=True,
                parameter="roles",
            ),
            Option(
                names=("--path",),
                kind="pointer",
                label="POINTER",
                repeats=True,
                parameter="paths",
            ),
            Option(names=("--name",), kind="text", label="NAME"),
            Option(
                names=("--expires",),
                kind="duration",
                label="AGE",
                help="with create: how long it is good (90d, 12h, 30m); without: for ever",
            ),
        ),
    ),
    # --- serve
    Command(
        name="serve",
        group=SERVING,
        summary="serve the store over HTTP, to programs, browsers and agents",
        details="Starts on this machine's own address and prints a link with a token that is good as long as the "
        "server runs; at any other address only stored tokens are taken. Ends with Ctrl-C.",
        run="realmconf.surfaces.http.command:serve",
        options=(
            Option(
                names=("--host",),
                kind="text",
                label="ADDRESS",
                default="127.0.0.1",
                help="the address to listen at (default 127.0.0.1: this machine only)",
            ),
            Option(
                names=("--port",),
                kind="port",
                label="N",
                default="7411",
                help="the port (default 7411; 0: any that is free)",
            ),
            Option(
                names=("--workers",),
                kind="count",
                label="N",
                default="1",
                help="how many processes answer (default 1)",
            ),
            Option(
                names=("--meerkat-realm",),
                kind="realm",
                label="NAME",
                help="also answer Meerkat's own routes, for this realm",
            ),
            Option(names=("--expose-paths",), help="tell callers where files are on this machine"),
            Option(
                names=("--allow-origin",),
                kind="text",
                label="ORIGIN",
                repeats=True,
                help="let pages of this origin ask (https://console.example.org); may be repeated",
            ),
            Option(
                names=("--allow-host",),
                kind="text",
                label="HOST",
                repeats=True,
                help="be reached by this name too, as behind a proxy; may be repeated",
            ),
            Option(
                names=("--public-url",),
                kind="text",
                label="URL",
                help="how others reach it through a proxy (https://conf.example.org): its name is taken, and with "
                "https browsers keep their session for that alone",
            ),
            *_AGENTS,
            Option(
                names=("--allow-realm",),
                kind="text",
                label="PATTERN",
                repeats=True,
                help="with --allow-write: they may change realms of this name, in which * stands for any characters; "
                "may be repeated (without: those that their token may)",
            ),
        ),
        needs=("httptools", "orjson", "prometheus_client", "starlette", "uvicorn"),
        extra="server",
    ),
    Command(
        name="rpc",
        group=SERVING,
        summary="answer JSON-RPC 2.0 on standard input and output",
        details="One message a line. Standard output carries nothing else. Ends when standard input does.",
        run="realmconf.surfaces.rpc.command:rpc",
        options=(
            SHOW_SECRETS.replace(help="answer with secrets in clear text, not as marks"),
            Option(
                names=("--meerkat-realm",),
                kind="realm",
                label="NAME",
                help="answer config/get, set and patch as Meerkat does, for this realm, where none is named",
            ),
        ),
    ),
    Command(
        name="mcp",
        group=SERVING,
        summary="let an agent in, by the Model Context Protocol on standard input and output",
        details="It reads; what it may write is said by --allow-write and --allow-path, and is planned before "
        "it is carried out. It never sees a secret, and never changes a schema, a policy, a parent or a token.",
        run="realmconf.surfaces.mcp.command:mcp",
        options=(
            *_AGENTS,
            Option(
                names=("--allow-realm",),
                kind="text",
                label="PATTERN",
                repeats=True,
                help="with --allow-write: it may write realms of this name, in which * stands for any characters; "
                "may be repeated (without: the realm that --realm names)",
            ),
        ),
        needs=("mcp",),
        extra="mcp",
    ),
    # --- other
    Command(
        name="demo",
        group=OTHER,
        summary="show it at work: writers, a watcher, hand edits, a conflict, a rollback",
        details="Runs in a folder of its own, which it removes.",
        run=_MODULES + "demo.story:demo",
    ),
    Command(
        name="completion",
        group=OTHER,
        summary="print the completion script for a shell",
        details='bash: eval "$(realmconf completion bash)" in ~/.bashrc. zsh: save it as _realmconf in a folder of '
        "$fpath. fish: save it as ~/.config/fish/completions/realmconf.fish. The scripts call "
        "`completion realms` and `completion paths` for what can be chosen.",
        run=_MODULES + "completion:completion",
        operands=(
            Operand(
                destination="shell",
                label="bash|zsh|fish",
                kind="choice",
                choices=("bash", "zsh", "fish", "realms", "paths"),
                help="the shell",
            ),
        ),
    ),
)

BY_NAME = {command.name: command for command in COMMANDS}
