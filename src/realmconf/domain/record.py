"""
Frozen records without ``dataclasses``.

A command-line read must finish in a few milliseconds of Python, and importing
``dataclasses`` (with ``inspect``) costs more than everything else on that path.
This gives what the domain needs of it: typed keyword construction, defaults,
equality, hashing, ``repr``, pickling, ``replace``.  Field types are for the type
checker; values are trusted, since parsing happens at the edge.

A kind of record that is made often gets a constructor of its own, compiled for
its fields as ``dataclasses`` does it: a write makes some twenty records, which
took a sixth of its time.  A short command makes few of each and compiles none.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, ClassVar, Self, dataclass_transform
else:

    def dataclass_transform(**_: object):
        return lambda cls: cls


_set = object.__setattr__

OFTEN = 64
"""So many of one kind, and a constructor of its own is soon paid back."""


_made: dict[type, int] = {}


def _any_fields(self: Any, **given: Any) -> None:
    """The constructor of every kind at first."""
    kind = type(self)
    names = kind.__names__
    if given.keys() != names:
        given = {**kind.__defaults__, **given}
        if given.keys() != names:
            unknown = ", ".join(sorted(given.keys() - names))
            missing = ", ".join(sorted(names - given.keys()))
            fault = f"has no field {unknown}" if unknown else f"needs {missing}"
            raise TypeError(f"{kind.__name__} {fault}")
    for field, value in given.items():
        _set(self, field, value)
    _made[kind] = _made.get(kind, 0) + 1
    if _made[kind] == OFTEN and names and kind.__takes_fields__:
        kind.__init__ = _constructor(kind)


def _constructor(kind: Any) -> Any:
    """``_any_fields`` for the fields of *kind* alone."""
    fields, defaults = kind.__fields__, kind.__defaults__
    known = {f"put_{field}": getattr(kind, field).__set__ for field in fields}
    known |= {f"default_{field}": value for field, value in defaults.items()}
    taken = [f"{field}=default_{field}" if field in defaults else field for field in fields]
    source = f"def __init__(self, *, {', '.join(taken)}):\n"
    source += "\n".join(f" put_{field}(self, {field})" for field in fields)
    exec(source, known)  # noqa: S102 - names of our own classes' fields
    made = known["__init__"]
    made.__qualname__ = f"{kind.__qualname__}.__init__"
    return made


@dataclass_transform(kw_only_default=True, frozen_default=True, eq_default=True)
class RecordMeta(type):
    """Turns the annotations of a class body into slots, and its assignments into defaults."""

    def __new__(mcs, name: str, bases: tuple[type, ...], namespace: dict[str, Any]) -> Any:
        own = [
            field for field in namespace.get("__annotations__", {}) if not field.startswith("__")
        ]
        inherited: list[str] = []
        defaults: dict[str, Any] = {}
        for base in bases:
            inherited += getattr(base, "__fields__", ())
            defaults |= getattr(base, "__defaults__", {})
        for field in own:
            if field in namespace:
                defaults[field] = namespace.pop(field)
        # What a class asks for besides holds what is worked out of the fields, and is no part of the record.
        namespace["__slots__"] = (
            *(field for field in own if field not in inherited),
            *namespace.get("__slots__", ()),
        )
        namespace["__fields__"] = tuple(dict.fromkeys([*inherited, *own]))
        namespace["__names__"] = frozenset(namespace["__fields__"])
        namespace["__defaults__"] = defaults
        namespace["__match_args__"] = namespace["__fields__"]
        if all(getattr(base, "__takes_fields__", True) for base in bases):
            # Also where a base got one of its own, which is for the fields of that one.
            namespace.setdefault("__init__", _any_fields)
        namespace["__takes_fields__"] = namespace.get("__init__") is _any_fields
        return super().__new__(mcs, name, bases, namespace)


class Record(metaclass=RecordMeta):
    """Base of all records: keyword-only construction, immutable afterwards."""

    if TYPE_CHECKING:
        __fields__: ClassVar[tuple[str, ...]]
        __names__: ClassVar[frozenset[str]]
        __defaults__: ClassVar[dict[str, Any]]
        __hidden__: ClassVar[frozenset[str]]

        def __init__(self, **given: Any) -> None: ...
    else:
        __hidden__ = frozenset()

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} is immutable; use replace({name}=…)")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{type(self).__name__} is immutable")

    def _values(self) -> tuple[Any, ...]:
        return tuple([getattr(self, field) for field in self.__fields__])

    def __eq__(self, other: object) -> bool:
        return self is other or (type(self) is type(other) and self._values() == other._values())

    def __hash__(self) -> int:
        return hash((type(self), self._values()))

    def __repr__(self) -> str:
        # Hidden fields may hold secrets, and a repr ends up in logs and tracebacks.
        fields = ", ".join(
            f"{field}={'…' if field in self.__hidden__ else repr(getattr(self, field))}"
            for field in self.__fields__
        )
        return f"{type(self).__name__}({fields})"

    def __reduce__(self) -> tuple[Any, ...]:
        return (_restore, (type(self), dict(zip(self.__fields__, self._values(), strict=True))))

    def replace(self, **changes: Any) -> Self:
        """A copy with some fields changed."""
        # What some kinds do not let be read is copied as well.
        for field, value in zip(self.__fields__, self._values(), strict=True):
            changes.setdefault(field, value)
        return type(self)(**changes)


def _restore(cls: type[Record], fields: dict[str, Any]) -> Record:
    return cls(**fields)
