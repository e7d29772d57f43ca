"""
Documents made at random from the schema of Meerkat's configuration, and spoilt.

Decides which keys of the schema are used (those of v0.4.1), and which values are likely to be read in two ways.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from realmconf.meerkat.later import later_keys, later_sections
from realmconf.meerkat.schema import SCHEMA
from realmconf.meerkat.words import DURATION, SKILL_NAME, UUID

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hypothesis.strategies import DrawFn, SearchStrategy

LEFT_OUT = {
    "agent": {"output_schema", "max_tokens"},
    "models": {"max_tokens"},
}
"""What is read in two ways on purpose."""

UNITS = (
    "ns",
    "us",
    "ms",
    "s",
    "sec",
    "m",
    "min",
    "h",
    "hours",
    "d",
    "w",
    "months",
    "y",
    "µs",
    "x",
    "",
)
DURATIONS = st.lists(
    st.tuples(
        st.sampled_from(["0", "1", "5", "30", "90", "1500", "00", "1.5", "-1", "99999999999"]),
        st.sampled_from(["", " "]),
        st.sampled_from(UNITS),
    ).map("".join),
    max_size=3,
).map(" ".join)
"""Lengths of time, and what looks like one."""

WHOLE_DURATIONS = st.tuples(
    st.integers(0, 10**6), st.sampled_from(("us", "ms", "s", "m", "h", "d"))
)
TEXT = st.text(st.characters(codec="utf-8"), max_size=8)
ANYTHING: SearchStrategy[Any] = st.recursive(
    st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(-1e9, 1e9) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)
ODD: list[Any] = [-1, 0, 1, 1.0, 1.5, True, "", "x", "30s", 2**16, 2**32, 2**63 - 1, {"a": 1}]
"""What a value is spoilt with."""

PATTERNS: dict[str, SearchStrategy[str]] = {
    DURATION: WHOLE_DURATIONS.map(lambda one: f"{one[0]}{one[1]}"),
    UUID: st.uuids().map(str) | st.uuids().map(lambda one: one.hex.upper()),
    SKILL_NAME: st.from_regex(r"\A[a-z0-9]+(-[a-z0-9]+)*\Z"),
}


def documents() -> SearchStrategy[dict[str, Any]]:
    """Documents of a few sections that fit the schema, with keys of v0.4.1 alone; rules may be broken."""
    sections = {name: _of(said) for name, said in _properties().items()}
    return st.lists(st.sampled_from(sorted(sections)), unique=True, max_size=3).flatmap(
        lambda names: st.fixed_dictionaries({name: sections[name] for name in names}).map(_allowing)
    )


def _allowing(document: dict[str, Any]) -> dict[str, Any]:
    """It without a mode of the shell beside an allowlist, where one is refused on purpose."""
    shell = document.get("shell", {})
    if "allowlist" in shell:
        shell.pop("security_mode", None)
    return document


REFERRED: dict[str, SearchStrategy[Any]] = {
    "duration_or_milliseconds": st.deferred(lambda: _of({"type": "string", "pattern": DURATION}))
    | st.integers(0, 10**12),
    "seconds_and_nanos": st.builds(
        lambda seconds, microseconds: {"secs": seconds, "nanos": microseconds * 1_000},
        st.integers(0, 10**9),
        st.integers(0, 2**32 // 1_000),
    ),
}
"""What no ``timedelta`` could hold is left out."""


@st.composite
def spoilt(draw: DrawFn) -> dict[str, Any]:
    """A document in which one value was replaced by another that may not belong there."""
    document = draw(documents().filter(bool))
    place = draw(st.sampled_from(sorted(_leaves(document), key=str)))
    value = draw(st.sampled_from(ODD))
    inside: Any = document
    for step in place[:-1]:
        inside = inside[step]
    inside[place[-1]] = value
    return document


def _properties() -> dict[str, Any]:
    later = later_keys()
    found = {}
    for name, said in SCHEMA["properties"].items():
        if name in later_sections():
            continue
        keys = said.get("properties")
        dropped = set(later.get(name, ())) | LEFT_OUT.get(name, set())
        if keys is not None:
            said = {**said, "properties": {key: keys[key] for key in keys if key not in dropped}}
        if name == "models":
            said = {**said, "additionalProperties": False}
        found[name] = said
    return found


def _leaves(value: Any, place: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Where no table or list with something in it stands."""
    if isinstance(value, dict) and value:
        return [one for key, inner in value.items() for one in _leaves(inner, (*place, key))]
    if isinstance(value, list) and value:
        return [one for key, inner in enumerate(value) for one in _leaves(inner, (*place, key))]
    return [place]


def _of(said: Mapping[str, Any]) -> SearchStrategy[Any]:
    """A value that *said* allows."""
    if "$ref" in said:
        name = said["$ref"].rsplit("/", 1)[1]
        return REFERRED[name] if name in REFERRED else _of(SCHEMA["$defs"][name])
    if "const" in said:
        return st.just(said["const"])
    if "enum" in said:
        return st.sampled_from(said["enum"])
    if "anyOf" in said:
        return st.one_of([_of(one) for one in said["anyOf"]])
    kind = said.get("type")
    if kind == "object":
        return _object(said)
    if kind == "array":
        return st.lists(_of(said.get("items", {})), min_size=said.get("minItems", 0), max_size=3)
    if kind == "string":
        return PATTERNS.get(said.get("pattern", ""), TEXT)
    if kind == "integer":
        least, most = said.get("minimum", -(2**63)), said.get("maximum", 2**63 - 1)
        return st.sampled_from([least, min(least + 1, most), most]) | st.integers(least, most)
    if kind == "number":
        return st.floats(-1e6, 1e6, width=32) | st.integers(-1000, 1000)
    if kind == "boolean":
        return st.booleans()
    assert kind is None, said
    return ANYTHING


def _later(said: Mapping[str, Any]) -> SearchStrategy[Any]:
    return st.deferred(lambda: _of(said))


def _object(said: Mapping[str, Any]) -> SearchStrategy[dict[str, Any]]:
    if "if" in said and "required" in said["then"]:
        return st.one_of([_object(said["then"]), _object(said["else"])])
    properties, required = said.get("properties", {}), said.get("required", ())
    if "required_from_skills" in properties:
        listed = {**properties["required_from_skills"], "minItems": 1}
        properties = {**properties, "required_from_skills": listed}
        required = (*required, "required_from_skills")
    wanted = {key: _later(properties[key]) for key in required}
    others = {key: _later(one) for key, one in properties.items() if key not in wanted}
    stated = st.fixed_dictionaries(wanted, optional=others)
    more = said.get("additionalProperties", {})
    if more is False:
        return stated
    names = TEXT.filter(lambda name: name not in properties and name != "config")
    free = st.dictionaries(names, _of(more), max_size=2)
    return st.tuples(free, stated).map(lambda both: {**both[0], **both[1]})
