"""
Documents that realmconf and the published crate both read, and where the two may differ.

Decides which documents are compared, and for each difference that is meant the sentence that says why; ``compared``
makes both answers comparable.  Everything that is not named here has to be equal.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError
from tests.meerkat.crate import Refusal

from realmconf.domain.toml import parse_toml
from realmconf.errors import RealmconfError, SchemaViolation
from realmconf.meerkat import Config, validate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.meerkat.crate import Oracle

A = "6f3c9a52-7c63-4c0d-9d0e-0d6a4d1f7b11"
B = "0f8fad5b-d9cb-469f-a165-70867728950e"


def _repository(rest: str, uuid: str = A) -> str:
    return f"skills.repositories = [{{name='a', source_uuid='{uuid}', {rest}}}]"


def _lineage(event: str, rest: str = "") -> str:
    return (
        "skills.identity.lineage = "
        f"[{{event_id='e', recorded_at_unix_secs=1, {rest} event={{event={event}}}}}]"
    )


def _alias(name: str) -> str:
    return (
        f"skills.identity.aliases = [{{alias='a', to={{source_uuid='{A}', skill_name='{name}'}}}}]"
    )


SAME = [
    "",
    # Numbers and their ranges.
    "max_tokens = 5.0",
    "max_tokens = -1",
    "max_tokens = 4294967295",
    "max_tokens = 4294967296",
    "agent.temperature = 1",
    "agent.temperature = 0.1",
    "agent.budget_warning_threshold = -1.5",
    "agent.max_turns = 0",
    "agent.max_turns = 4294967296",
    "agent.max_turns = true",
    "agent.structured_output_retries = '2'",
    "retry.multiplier = 2",
    "rest.port = 65535",
    "rest.port = 65536",
    "limits.budget = 9223372036854775807",
    "budget.max_tool_calls = 0",
    "hooks.entries = [{priority=-2147483648}]",
    "hooks.entries = [{priority=2147483648}]",
    # Text, flags, choices.
    "agent.system_prompt = 5",
    "agent.model = ''",
    "storage.directory = '/x'",
    "storage.directory = ''",
    "comms.require_peer_auth = 1",
    "comms.auth = 'open'",
    "comms.auth = 'ed25519'",
    "comms.mode = 'uds'",
    "comms.mode = 'Uds'",
    "shell.security_mode = 'AllowList'",
    # What holds anything.
    "agent.provider_params = 3",
    "agent.provider_params = {a=[1,{b=2.5}]}",
    "agent.provider_params = {}",
    "agent.output_schema = {schema={}, compat='strict', name='n'}",
    "agent.output_schema = {schema={}, format='x'}",
    "agent.output_schema = {schema=7}",
    "agent.output_schema = {schema={}, extra=1}",
    # Providers.
    "provider = {}",
    "provider = {type='Anthropic'}",
    "provider = {type='openai', api_key='k', base_url='u'}",
    "provider = {type='gemini', api_key='x'}",
    # Lengths of time.
    "budget.max_duration = 1500",
    "budget.max_duration = 0",
    "budget.max_duration = -1",
    "budget.max_duration = 1.5",
    "budget.max_duration = '1h'",
    "limits.max_duration = 'x'",
    "retry.initial_delay = 5",
    "retry.initial_delay = '0'",
    "tools.default_timeout = '0s'",
    "tools.tool_timeouts = {x={secs=1, nanos=5000}}",
    "tools.tool_timeouts = {x={secs=1}}",
    "tools.tool_timeouts = {x='30s'}",
    "tools.tool_timeouts = {x={secs=1, nanos=1500000000}}",
    "tools.tool_timeouts = {x={secs=1, nanos=4294967296}}",
    "tools.tool_timeouts = {x={secs=1, nanos=0, foo=1}}",
    # MCP servers.
    "tools.mcp_servers = [{name='a', command='x'}]",
    "tools.mcp_servers = [{name='a', command='x', args=['b'], env={C='d'}}]",
    "tools.mcp_servers = [{name='a', url='x', transport='sse', headers={A='b'}}]",
    "tools.mcp_servers = [{name='a', url='x', transport='streamable-http'}]",
    "tools.mcp_servers = [{name='a', url='x', transport='stdio'}]",
    "tools.mcp_servers = [{name='a', command='x', url='y'}]",
    "tools.mcp_servers = [{name='a', command='x', foo=1}]",
    "tools.mcp_servers = [{command='x'}]",
    # The other name of a shell's patterns.
    "shell.allowlist = ['a']",
    "shell = {allowlist=['a'], security_patterns=['b']}",
    "shell.allowlist = []",
    # Hooks.
    "hooks.entries = [{}]",
    "hooks.entries = [{id=''}]",
    "hooks.entries = [{failure_policy='fail_open', timeout_ms=4}]",
    "hooks.entries = [{point='pre_tool_execution', mode='background', capability='rewrite'}]",
    "hooks.entries = [{runtime={}}]",
    "hooks.entries = [{runtime={type='x'}}]",
    "hooks.entries = [{runtime={type='x', config=5}}]",
    "hooks.entries = [{runtime={type='x', config={a=1}, b=2}}]",
    # Skills.
    _repository("type='filesystem', path='p'"),
    _repository("type='git', url='p', depth=3", A.upper()),
    _repository("type='git', url='p', ref_type='tag', git_ref='v1', skills_root='s'"),
    _repository("type='stdio', command='c', env={A='b'}", A.replace("-", "")),
    _repository("type='http', url='c', auth_header='h'", f"urn:uuid:{A}"),
    _repository("type='http', url='c'", f"{{{A}}}"),
    _repository("type='http', url='c'", "x"),
    _repository("type='svn', url='c'"),
    "skills.health_thresholds = {degraded_invalid_ratio=0.1}",
    (
        "[skills.health_thresholds]\ndegraded_invalid_ratio=0.1\nunhealthy_invalid_ratio=1\n"
        "degraded_failure_streak=1\nunhealthy_failure_streak=2"
    ),
    _alias("a-b"),
    _alias("a--b"),
    (
        f"[[skills.identity.remaps]]\nfrom={{source_uuid='{A}', skill_name='a'}}\n"
        f"to={{source_uuid='{B}', skill_name='a'}}"
    ),
    _lineage(f"'split', from='{A}', into=['{B}']", "required_from_skills=['a'],"),
    _lineage(f"'merge', from=['{A}'], to='{B}'", "required_from_skills=['a'],"),
    _lineage(f"'rotate', from='{A}', to='{B}'", "required_from_skills=['a'],"),
    _lineage(f"'rename_or_relocate', from='{A}', to='{B}'", "required_from_skills=['a'],"),
    _lineage(f"'unknown', from='{A}', to='{B}'"),
    # The rules, and what comes close to breaking them.
    "max_tokens = 0",
    "agent.max_tokens_per_turn = 0",
    "budget.max_tokens = 0\nmax_tokens = 0",
    "budget.max_tokens = 0",
    "limits.budget = 0",
    "compaction.auto_compact_threshold = 0\nbudget.max_tokens = 0",
    "compaction.auto_compact_threshold = 0",
    "compaction.recent_turn_budget = 0",
    "compaction.max_summary_tokens = 0",
    "compaction.min_turns_between_compactions = 0",
    "provider = {type='anthropic', base_url='b'}\nproviders = {base_urls={anthropic='a'}, api_keys={x='y'}}",
    "provider = {type='openai', api_key='z'}\nproviders.api_keys.openai = 'y'",
    "provider = {type='openai', api_key='z'}\nproviders.api_keys.gemini = 'y'",
    "provider = {type='anthropic', base_url='b'}\nproviders.base_urls.anthropic = 'b'",
    "provider = {type='anthropic', base_url=''}\nproviders.base_urls.anthropic = 'a'",
    "provider = {type='gemini', api_key='a'}\nproviders.api_keys.gemini = 'b'",
    "providers.base_urls = {gemini='a'}",
    "sub_agents.allowed_models = {}",
    "sub_agents.allowed_models = {anthropic=['*'], openai=['o'], gemini=['g']}",
    "sub_agents.allowed_models = {anthropic=['a*'], openai=['o'], gemini=['g']}",
    "sub_agents.allowed_models = {anthropic=['a'], openai=[], gemini=['g']}",
    "sub_agents.allowed_models = {anthropic=['a'], openai=['o'], gemini=['g'], other=['*']}",
    "sub_agents.default_provider = 'OpenAI'",
    "sub_agents.default_provider = 'other'",
    "sub_agents = {default_provider='openai', default_model='nope'}",
    "sub_agents = {default_provider='openai', default_model='gpt-5.2'}",
    "sub_agents = {default_model='nope'}",
    # The text itself.
    "max_tokens = ",
    "max_tokens = 1\nmax_tokens = 2",
    "[agent]\n[agent]",
    "max_tokens = 0x10",
    "max_tokens = 1_000",
    "agent.model = '''\nx'''",
    'agent.model = "\\u00e9\\U0001F600"',
    "agent = 3",
    "[[agent]]",
    "tools.mcp_servers = {}",
    "max_tokens = 3\r\n[agent]\r\nmax_turns = 1\r\n",
    "max_tokens = 3\rmax_turns = 1",
    "agent.provider_params = {x=9223372036854775808}",
    "agent.provider_params = {x=-9223372036854775808}",
    "agent.provider_params = {'a'=1, ''=2}",
    "agent.model = '\0'",
    "limits.budget = 9223372036854775808",
    "tools.mcp_servers = [{name='a', command='x'}, {name='a', command='y'}]",
    "hooks.entries = [{runtime='x'}]",
    "providers.api_keys = {a=1}",
    _alias("a-"),
    _alias(""),
    _repository("type='git', url='p', ref_type='Tag'"),
    _repository("type='git', url='p', depth=4294967296"),
    _repository("type='filesystem', path='p'", f"{{{A}"),
]
"""Read alike by both: refused by both, or the same configuration with the same rule broken."""

REFUSED = "refused here"
TAKEN = "taken here"
READ = "read otherwise: "

DIFFERENT: dict[str, dict[str, str]] = {
    "an unknown key": {
        "agnet.max_turns = 3": REFUSED,
        "agent.maxTurns = 3": REFUSED,
        "zzz = 1": REFUSED,
        "provider = {type='gemini', base_url='x'}": REFUSED,
        "hooks.entries = [{zzz=1}]": REFUSED,
        "skills.identity.zzz = 1": REFUSED,
        _repository("type='http', url='c', foo=1"): REFUSED,
        _lineage(f"'rotate', from='{A}', to='{B}', zzz=1"): REFUSED,
    },
    "a section or key of a later release": {
        "realm.x.parent = 'y'": READ + "/realm only here",
        "retry.call_timeout = 'disabled'": READ + "/retry/call_timeout only here",
        "models.mine = {provider='openai'}": READ + "/models/mine only here",
    },
    "`max_tokens` in `[models]` or `[agent]`": {
        "models.max_tokens = 8192": READ + "/models/max_tokens only here",
        "agent.max_tokens = 8192": READ + "/agent/max_tokens only here",
    },
    "`agent.output_schema` of a type `object`": {
        "agent.output_schema = {type='object'}": READ
        + "/agent/output_schema/schema/properties only there; "
        + "/agent/output_schema/schema/required only there",
    },
    "a lone `config` of a hook's `runtime`": {
        "hooks.entries = [{runtime={type='x', config={a=1}}}]": READ
        + "/hooks/entries/0/runtime/a only there; /hooks/entries/0/runtime/config only here",
        "hooks.entries = [{runtime={type='x', config={}}}]": READ
        + "/hooks/entries/0/runtime/config only here",
        "hooks.entries = [{runtime={type='x', config={type='y'}}}]": READ
        + "/hooks/entries/0/runtime/config only here; "
        + "/hooks/entries/0/runtime/type is 'x' here, 'y' there",
    },
    "an empty `required_from_skills`": {
        _lineage(f"'rotate', from='{A}', to='{B}'"): READ
        + "/skills/identity/lineage/0/required_from_skills only here",
    },
    "a length of time finer than a microsecond, or of more than 999999999 days": {
        "retry.initial_delay = '5ns'": REFUSED,
        "retry.initial_delay = '3000000y'": REFUSED,
        "tools.tool_timeouts = {x={secs=1, nanos=5}}": REFUSED,
        "tools.tool_timeouts = {x={secs=9223372036854775807, nanos=0}}": REFUSED,
    },
    "another `security_mode` beside `shell.allowlist`": {
        "shell = {allowlist=['a'], security_mode='deny_list'}": REFUSED,
        "shell = {allowlist=['a'], security_mode='unrestricted'}": REFUSED,
    },
    "a list in place of a table": {
        "compaction = []": REFUSED,
        "tools.tool_timeouts = {x=[1, 2000]}": REFUSED,
    },
    "`nan` and `inf`": {
        "agent.budget_warning_threshold = nan": REFUSED,
        "retry.multiplier = inf": REFUSED,
    },
    "a number beyond 32 bits of floating point": {
        "agent.temperature = 1e39": READ + "/agent/temperature only here",
    },
    "a date or a time of day": {
        "agent.system_prompt = 1979-05-27": TAKEN,
        "agent.provider_params = {x=07:32:00}": READ
        + "/agent/provider_params/x is '07:32:00' here, "
        + "{'$__toml_private_datetime': '07:32:00'} there",
    },
    "a byte order mark": {"\ufeffmax_tokens = 3": REFUSED},
}
"""What differs, as docs/meerkat-differences.md calls it -> text -> how."""


def compared(text: str, oracle: Oracle) -> str:
    """Whether the two read *text* alike (``same``), and how they differ if they do not."""
    theirs, mine = theirs_of(text, oracle), mine_of(text)
    if theirs is None or mine is None:
        if theirs is mine:
            return "same"
        return "refused here" if mine is None else "taken here"
    if theirs[1] != mine[1]:
        return f"ruled otherwise: {mine[1]!r} here, {theirs[1]!r} there"
    found = [*differences(mine[0], theirs[0])]
    return "read otherwise: " + "; ".join(found) if found else "same"


def theirs_of(text: str, oracle: Oracle) -> tuple[dict[str, Any], str | None] | None:
    """The crate's configuration and the rule that it breaks; None if it cannot be read."""
    try:
        answer = oracle.ask("read", text=text)
    except Refusal:
        return None
    return plain(answer["config"], oracle), answer["refused"]


def mine_of(text: str) -> tuple[dict[str, Any], str | None] | None:
    """Ours, in the same form: what a rule refuses is read, what the schema or the models refuse is not."""
    try:
        document = parse_toml(text).document
        config = Config.model_validate(document)
    except (RealmconfError, ValidationError):
        return None
    try:
        validate(document)
        Config.of(document)
    except SchemaViolation as violation:
        first = violation.violations[0]
        if first["keyword"] != "rule":
            return None
        return without_empty(config.document()), f"Validation error: {first['message']}"
    return without_empty(config.document()), None


def plain(config: dict[str, Any], oracle: Oracle) -> dict[str, Any]:
    """What the crate shows, without nulls, empty sections, and the folder that depends on where it runs."""
    found = _without_null(config)
    storage = found["storage"]
    if storage.get("directory") == str(oracle.home / ".rkat" / "sessions"):
        del storage["directory"]
    return without_empty(found)


def without_empty(config: dict[str, Any]) -> dict[str, Any]:
    """It without sections that say nothing."""
    return {key: value for key, value in config.items() if value != {}}


def _without_null(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_null(one) for key, one in value.items() if one is not None}
    return [_without_null(one) for one in value] if isinstance(value, list) else value


def differences(mine: Any, theirs: Any, place: str = "") -> Iterator[str]:
    """Where two configurations differ; numbers that the crate holds in 32 bits are compared as such."""
    if isinstance(mine, dict) and isinstance(theirs, dict):
        for key in sorted(mine.keys() | theirs.keys()):
            if key not in mine or key not in theirs:
                yield f"{place}/{key} only {'there' if key in theirs else 'here'}"
            else:
                yield from differences(mine[key], theirs[key], f"{place}/{key}")
    elif isinstance(mine, list) and isinstance(theirs, list) and len(mine) == len(theirs):
        for index, (one, other) in enumerate(zip(mine, theirs, strict=True)):
            yield from differences(one, other, f"{place}/{index}")
    elif isinstance(mine, float) or isinstance(theirs, float):
        if isinstance(mine, bool) or not math.isclose(mine, theirs, rel_tol=1e-6):
            yield f"{place} is {mine!r} here, {theirs!r} there"
    elif type(mine) is not type(theirs) or mine != theirs:
        yield f"{place} is {mine!r} here, {theirs!r} there"
