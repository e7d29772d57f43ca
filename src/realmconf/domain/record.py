"""
Frozen records without ``dataclasses``.

A command-line read must finish in a few milliseconds of Python, and importing
``dataclasses`` (with ``inspect``) costs more than everything else on that path.
This gives what the domain needs of it: typed keyword construction, defaults,
equality, hashing, ``repr``, pickling, ``replace``.  Field types are for the type
checker; values are trusted, since parsing happens at the edge.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, ClassVar, Self, dataclass_transform
else:

    def dataclass_transform(**_: object):
        return lambda cls: cls


_set = object.__setattr__


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
        namespace["__slots__"] = tuple(field for field in own if field not in inherited)
        namespace["__fields__"] = tuple(dict.fromkeys([*inherited, *own]))
        namespace["__names__"] = frozenset(namespace["__fields__"])
        namespace["__defaults__"] = defaults
        namespace["__match_args__"] = namespace["__fields__"]
        return super().__new__(mcs, name, bases, namespace)


class Record(metaclass=RecordMeta):
    """Base of all records: keyword-only construction, immutable afterwards."""

    if TYPE_CHECKING:
        __fields__: ClassVar[tuple[str, ...]]
        __names__: ClassVar[frozenset[str]]
        __defaults__: ClassVar[dict[str, Any]]
        __hidden__: ClassVar[frozenset[str]]
    else:
        __hidden__ = frozenset()

    def __init__(self, **given: Any) -> None:
        names = self.__names__
        if given.keys() != names:
            given = {**self.__defaults__, **given}
            if given.keys() != names:
                unknown = ", ".join(sorted(given.keys() - names))
                missing = ", ".join(sorted(names - given.keys()))
                fault = f"has no field {unknown}" if unknown else f"needs {missing}"
                raise TypeError(f"{type(self).__name__} {fault}")
        for field, value in given.items():
            _set(self, field, value)

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
