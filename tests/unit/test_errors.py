"""The error tree: codes, fields, texts."""

import inspect
import json
import pickle
from collections.abc import Iterator
from typing import Any

import pytest

from realmconf import errors
from realmconf.domain.pointer import Pointer
from realmconf.errors import GenerationConflict, OutcomeUnknown, RealmconfError

CODES = {
    "generation_conflict",
    "timeline_changed",
    "generation_required",
    "test_failed",
    "schema_violation",
    "patch_inapplicable",
    "lineage_error",
    "write_id_reused",
    "write_id_void",
    "plan_invalid",
    "unsupported",
    "limit_exceeded",
    "invalid_realm",
    "invalid_document",
    "invalid_patch",
    "invalid_pointer",
    "invalid_argument",
    "realm_not_found",
    "revision_not_found",
    "value_not_found",
    "token_not_found",
    "history_compacted",
    "realm_moved",
    "unauthenticated",
    "not_permitted",
    "rate_limited",
    "lock_timeout",
    "store_unavailable",
    "store_full",
    "store_read_only",
    "store_not_installed",
    "store_corrupt",
    "store_too_new",
    "history_missing",
    "realm_split_brain",
    "realm_backend_mismatch",
    "outcome_unknown",
    "working_copy_contested",
    "working_copy_broken",
    "working_copy_refused",
    "forked_in_transaction",
    "unsupported_filesystem",
    "secret_withheld",
    "secret_mark_misplaced",
    "secret_unresolved",
}
"""The published codes. Programs depend on them: none is ever renamed."""

ONE_CODE_FOR_SEVERAL = {"lineage_error"}

RETRYABLE = {
    "lock_timeout",
    "store_unavailable",
    "store_full",
    "outcome_unknown",
    "rate_limited",
}


def subclasses(parent: type[RealmconfError]) -> Iterator[type[RealmconfError]]:
    for child in parent.__subclasses__():
        if child.__module__ == "realmconf.errors":
            yield child
            yield from subclasses(child)


def is_abstract(error: type[RealmconfError]) -> bool:
    return (error.__doc__ or "").strip().startswith("Abstract:")


CONCRETE = sorted(
    (error for error in set(subclasses(RealmconfError)) if not is_abstract(error)),
    key=lambda error: error.__name__,
)

EXAMPLES: dict[str, Any] = {
    "expected": 1,
    "current": 2,
    "generation": 3,
    "index": 4,
    "value": 5,
    "maximum": 6,
    "requested": 7,
    "floor": 8,
    "depth_max": 16,
    "roots": ["/srv/app/.rkat/realms", "/srv/realms"],
    "line": 9,
    "column": 10,
    "waited_seconds": 1.5,
    "retry_after_seconds": 2.5,
    "contested": [
        {
            "pointer": Pointer(("a", "b/c")),
            "generation": 2,
            "author": "ada",
            "surface": "cli",
            "message": "",
            "created_at": "",
        }
    ],
    "violations": [{"pointer": "/a", "keyword": "type", "message": "is not an integer"}],
    "chain": ["a", "b", "a"],
    "pointers": ["/a", "/b"],
}


def example(error: type[RealmconfError]) -> RealmconfError:
    """An instance with every parameter given."""
    positional, named = [], {}
    for name, parameter in inspect.signature(error).parameters.items():
        value = EXAMPLES.get(name, f"the-{name}")
        if parameter.kind is parameter.KEYWORD_ONLY:
            named[name] = value
        elif parameter.kind is not parameter.VAR_KEYWORD:
            positional.append(value)
    return error(*positional, **named)


def test_the_walk_finds_the_tree() -> None:
    """A walk that finds nothing would prove nothing."""
    assert GenerationConflict in CONCRETE
    assert OutcomeUnknown in CONCRETE
    assert len(CONCRETE) > 30


@pytest.mark.parametrize("error", CONCRETE)
def test_every_error_has_a_published_code_of_its_own(error: type[RealmconfError]) -> None:
    """Codes are stable, and one stands for one thing."""
    assert error.code in CODES
    if error.code not in ONE_CODE_FOR_SEVERAL:
        assert [other for other in CONCRETE if other.code == error.code] == [error]


@pytest.mark.parametrize("error", CONCRETE)
def test_every_error_pickles(error: type[RealmconfError]) -> None:
    """An error raised in another process arrives with its class, text and fields."""
    raised = example(error)
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        arrived = pickle.loads(pickle.dumps(raised, protocol))
        assert type(arrived) is error
        assert str(arrived) == str(raised)
        assert arrived.to_dict() == raised.to_dict()
        assert vars(arrived) == vars(raised)


@pytest.mark.parametrize("error", CONCRETE)
def test_every_error_is_json(error: type[RealmconfError]) -> None:
    """``to_dict`` has the code, the text, whether to retry, and every field of the constructor, as JSON."""
    raised = example(error)
    told = raised.to_dict()
    assert json.loads(json.dumps(told)) == told
    assert told["code"] == error.code
    assert told["message"] == str(raised)
    assert told["retryable"] is (error.code in RETRYABLE)


@pytest.mark.parametrize("error", CONCRETE)
def test_every_declared_field_is_there(error: type[RealmconfError]) -> None:
    """What a class declares, its instances have, and ``to_dict`` tells."""
    raised = example(error)
    declared = {name for base in error.__mro__ for name in vars(base).get("__annotations__", {})}
    for name in declared - {"code", "retryable"}:
        assert hasattr(raised, name), name
        assert name in raised.to_dict(), name


@pytest.mark.parametrize("error", CONCRETE)
def test_every_error_says_something_to_a_person(error: type[RealmconfError]) -> None:
    """A text is one line, without a trailing full stop, and every class has a docstring for its reader."""
    text = str(example(error))
    assert text
    assert "\n" not in text
    assert not text.endswith(".")
    assert error.__doc__


def test_the_text_of_a_conflict_is_the_known_one() -> None:
    """Scripts of the system we re-implement look for this very text."""
    assert str(GenerationConflict(3, 5)) == "generation conflict: expected 3, current 5"


def test_a_pointer_in_an_error_is_told_as_text() -> None:
    """A pointer is RFC 6901 in JSON, not a list of parts."""
    conflict = example(GenerationConflict)
    assert conflict.to_dict()["contested"][0]["pointer"] == "/a/b~1c"


def test_only_concrete_errors_are_raised() -> None:
    """Abstract classes group; their code is that of a subclass or of nobody, and they are all named here."""
    abstract = {error.__name__ for error in set(subclasses(RealmconfError)) if is_abstract(error)}
    assert abstract == {"LineageError", "NotFound", "StoreError", "WorkingCopyError", "SecretError"}


def test_public_names_are_documented() -> None:
    """Every class in the module belongs to the tree."""
    classes = [
        value
        for name, value in vars(errors).items()
        if isinstance(value, type) and not name.startswith("_")
    ]
    assert all(
        issubclass(value, RealmconfError)
        for value in classes
        if value.__module__ == "realmconf.errors"
    )


@pytest.mark.parametrize("error", sorted(subclasses(RealmconfError), key=str))
def test_every_error_is_a_public_name(error: type[RealmconfError]) -> None:
    """Whoever catches an error imports it from realmconf."""
    import realmconf

    assert getattr(realmconf, error.__name__) is error
    assert error.__name__ in realmconf.__all__
