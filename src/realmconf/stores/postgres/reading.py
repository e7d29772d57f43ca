"""
What is asked of a store's tables, and what the answers mean.

Decides the questions; at which point they are asked is their caller's (``ledger``), and what is remembered of rows is
``Known``'s.
"""

from __future__ import annotations

from realmconf.errors import HistoryCompacted, RevisionNotFound
from realmconf.stores.engine.known import digest_of
from realmconf.stores.engine.noting import lost_schema
from realmconf.stores.engine.packing import unpack
from realmconf.stores.postgres.values import (
    INT8,
    INT8S,
    TEXT,
    TEXTS,
    int8,
    int8s,
    number,
    optional_text,
    text,
    texts,
)
from realmconf.stores.postgres.wire import Question
from realmconf.stores.protocol import RealmEntry, Receipt, Step

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from realmconf.domain.document import Document
    from realmconf.domain.names import RealmName
    from realmconf.domain.revision import Revision
    from realmconf.stores.engine.known import Known
    from realmconf.stores.engine.ledger import Row
    from realmconf.stores.postgres.layout import Layout
    from realmconf.stores.postgres.wire import Answer, Statement
    from realmconf.stores.protocol import Head

    Ask = Callable[[Sequence[Question]], Sequence[Answer]]

_FAR = 2**62
FEW = 4


class Questions:
    """The statements of one store's schema."""

    def __init__(self, layout: Layout) -> None:
        made = layout.statement
        # A document that is known already is not sent again.
        row = (
            "SELECT realm.name, realm.version, realm.digest, realm.floor, realm.moved_to, "
            "CASE WHEN realm.digest <> {digest} AND realm.generation > 0 THEN ("
            "SELECT record FROM {schema}.revision "
            "WHERE revision.key = realm.key AND revision.generation = realm.generation) END FROM "
        )
        # Most questions are for a realm and the root: so many are asked for without a list, which takes half the time.
        self._few = [
            made(
                " UNION ALL ".join(
                    row.replace("{digest}", f"${2 * place + 2}")
                    + f"{{schema}}.realm WHERE realm.name = ${2 * place + 1}"
                    for place in range(number)
                ),
                *(TEXT, TEXT) * number,
            )
            for number in range(1, FEW + 1)
        ]
        self._many = made(
            row.replace("{digest}", "known.digest")  # noqa: S608 - built from constants
            + "unnest($1, $2) AS known(name, digest), LATERAL ("
            "SELECT * FROM {schema}.realm WHERE realm.name = known.name OFFSET 0) AS realm",
            TEXTS,
            TEXTS,
        )
        self.newest = made("SELECT coalesce(max(version), 0) FROM {schema}.realm")
        self.twin = made(
            "SELECT 1::bigint FROM {schema}.name WHERE folded = $1 AND name <> $2 LIMIT 1",
            TEXT,
            TEXT,
        )
        self.revision = made(
            "SELECT realm.generation, realm.floor, revision.record, revision.position FROM {schema}.realm "
            "LEFT JOIN {schema}.revision ON revision.key = realm.key AND revision.generation = $2 "
            "WHERE realm.name = $1",
            TEXT,
            INT8,
        )
        self.floors = made(
            "SELECT name, floor FROM {schema}.realm WHERE name = ANY ($1) AND generation > 0", TEXTS
        )
        between = (
            "SELECT record FROM {schema}.revision WHERE key = (SELECT key FROM {schema}.realm WHERE name = $1) "
            "AND generation > $2 AND generation < $3 ORDER BY generation "
        )
        self.revisions = made(between + "LIMIT $4", TEXT, INT8, INT8, INT8)
        self.revisions_back = made(between + "DESC LIMIT $4", TEXT, INT8, INT8, INT8)
        self.receipt = made(
            "SELECT request, outcome, generation FROM {schema}.receipt "
            "WHERE key = (SELECT key FROM {schema}.realm WHERE name = $1) AND write_id = $2",
            TEXT,
            TEXT,
        )
        self.receipts = made(
            "SELECT write_id, request, outcome, generation FROM {schema}.receipt "
            "WHERE key = (SELECT key FROM {schema}.realm WHERE name = $1) AND write_id > $2 AND generation >= $3 "
            "ORDER BY write_id LIMIT $4",
            TEXT,
            TEXT,
            INT8,
            INT8,
        )
        self.realms = made(
            "SELECT name, generation, is_live::int::bigint, parent, moved_to FROM {schema}.realm "
            "WHERE name > $1 AND generation > 0 ORDER BY name LIMIT $2",
            TEXT,
            INT8,
        )
        self.children = made(
            "SELECT name FROM {schema}.realm WHERE parent = $1 ORDER BY name", TEXT
        )
        self.schema = made("SELECT record FROM {schema}.schema WHERE digest = $1", TEXT)
        self.schemas = made(
            "SELECT digest FROM {schema}.realm_schema "
            "WHERE key = (SELECT key FROM {schema}.realm WHERE name = $1) ORDER BY number",
            TEXT,
        )
        self.last_position = made("SELECT coalesce(max(position), 0) FROM {schema}.revision")
        # Halved again and again: position rises with generation, and a restore may have stepped over numbers.
        self.as_of = made(
            "WITH RECURSIVE look(key, floor, low, high) AS ("
            "SELECT key, floor, floor - 1, generation FROM {schema}.realm WHERE name = $1 AND generation > 0 "
            "UNION ALL SELECT look.key, look.floor, "
            "CASE WHEN middle.position > $2 THEN look.low ELSE (look.low + look.high + 1) / 2 END, "
            "CASE WHEN middle.position > $2 THEN middle.generation - 1 ELSE look.high END "
            "FROM look LEFT JOIN LATERAL (SELECT generation, position FROM {schema}.revision "
            "WHERE revision.key = look.key AND revision.generation <= (look.low + look.high + 1) / 2 "
            "ORDER BY revision.generation DESC LIMIT 1) AS middle ON true WHERE look.low < look.high) "
            "SELECT look.floor, (SELECT record FROM {schema}.revision WHERE revision.key = look.key "
            "AND revision.generation BETWEEN look.floor AND look.low ORDER BY revision.generation DESC LIMIT 1) "
            "FROM look WHERE look.low >= look.high",
            TEXT,
            INT8,
        )
        self.steps = made(
            "SELECT each.position, each.name, revision.record FROM ("
            "SELECT found.position, known.name, realm.key, found.generation "
            "FROM unnest($1, $2) AS known(name, generation), "
            "LATERAL (SELECT key FROM {schema}.realm WHERE realm.name = known.name OFFSET 0) AS realm, "
            "LATERAL (SELECT position, generation FROM {schema}.revision WHERE revision.key = realm.key "
            "AND revision.generation > known.generation ORDER BY revision.generation LIMIT $3) AS found "
            "ORDER BY found.position LIMIT $3) AS each, "
            "LATERAL (SELECT record FROM {schema}.revision WHERE revision.key = each.key "
            "AND revision.generation = each.generation OFFSET 0) AS revision ORDER BY each.position",
            TEXTS,
            INT8S,
            INT8,
        )

    def asking_rows(self, realms: Sequence[RealmName], known: Known) -> Question:
        """For the rows of *realms*."""
        rows = [known.recall(realm) for realm in realms]
        digests = ["" if row is None else digest_of(row.head) for row in rows]
        if 0 < len(realms) <= FEW:
            pairs = zip(realms, digests, strict=True)
            parameters = [part.encode() for pair in pairs for part in pair]
            return Question(self._few[len(realms) - 1], *parameters)
        return Question(self._many, texts(realms), texts(digests))


def rows_in(
    answer: Answer, realms: Sequence[RealmName], known: Known
) -> dict[RealmName, Row] | None:
    """The rows of *realms*; None where memory has meanwhile lost what the answer does not repeat."""
    by_name = {str(realm): realm for realm in realms}
    found: dict[RealmName, Row] = {}
    for index in range(answer.count):
        realm = by_name[text(answer.value(index, 0))]
        version, digest = number(answer.value(index, 1)), text(answer.value(index, 2))
        packed = answer.value(index, 5)
        floor, moved_to = number(answer.value(index, 3)), optional_text(answer.value(index, 4))
        if packed is None and digest:
            recalled = known.recall(realm)
            if recalled is None or digest_of(recalled.head) != digest:
                return None
            # Not asked for again: another thread may forget it at any moment.
            if recalled.version != version:
                head = recalled.head.replace(floor=floor, moved_to=moved_to)
                recalled = known.note(realm, version, head)
            found[realm] = recalled
            continue
        found[realm] = known.row(
            realm,
            version=version,
            digest=digest,
            packed=packed,
            floor=floor,
            moved_to=moved_to,
        )
    for realm in realms:
        if realm not in found:
            found[realm] = known.nothing(realm)
    return found


class View:
    """A ``LedgerView``: everything asked through *ask*, which answers from one point."""

    def __init__(self, ask: Ask, questions: Questions, known: Known) -> None:
        self._asked = ask
        self._questions = questions
        self._known = known

    def _ask(self, statement: Statement, *parameters: bytes | None) -> Answer:
        return self._asked([Question(statement, *parameters)])[0]

    # --- rows ----------------------------------------------------------------------------------

    def rows(self, realms: Sequence[RealmName]) -> Mapping[RealmName, Row]:
        while True:
            (answer,) = self._asked([self._questions.asking_rows(realms, self._known)])
            found = rows_in(answer, realms, self._known)
            if found is not None:
                return found

    def newest(self) -> int:
        return number(self._ask(self._questions.newest).value(0, 0))

    def twin(self, realm: RealmName) -> bool:
        return self._ask(self._questions.twin, realm.folded.encode(), realm.encode()).count > 0

    def head(self, realm: RealmName) -> Head:
        return self.rows([realm])[realm].head

    # --- revisions -----------------------------------------------------------------------------

    def _found(self, realm: RealmName, generation: int) -> tuple[bytes, bytes]:
        """The record at *generation*, and its position."""
        current, floor = 0, 1
        if 0 < generation < _FAR:
            answer = self._ask(self._questions.revision, realm.encode(), int8(generation))
            if answer.count:
                current, floor = number(answer.value(0, 0)), number(answer.value(0, 1))
                record, position = answer.value(0, 2), answer.value(0, 3)
                if record is not None and position is not None:
                    return record, position
                if current and generation < floor:
                    raise HistoryCompacted(generation, floor, realm=realm)
        else:
            current = self.head(realm).generation
        raise RevisionNotFound(realm=realm, generation=generation, current=current)

    def revision(self, realm: RealmName, generation: int) -> Revision:
        return unpack(self._found(realm, generation)[0])

    def position(self, realm: RealmName, generation: int) -> int:
        return number(self._found(realm, generation)[1])

    def revisions(
        self,
        realm: RealmName,
        *,
        after: int = 0,
        before: int | None = None,
        limit: int | None = None,
        newest_first: bool = False,
    ) -> Sequence[Revision]:
        asked = self._questions
        floors, answer = self._asked(
            [
                Question(asked.floors, texts([realm])),
                Question(
                    asked.revisions_back if newest_first else asked.revisions,
                    realm.encode(),
                    int8(min(max(after, -1), _FAR)),
                    int8(_FAR if before is None else min(max(before, -1), _FAR)),
                    None if limit is None else int8(max(0, limit)),
                ),
            ]
        )
        if not newest_first:
            _refuse_gap(floors, {realm: after})
        return [unpack(_record(answer, index, 0)) for index in range(answer.count)]

    def as_of(self, realm: RealmName, position: int) -> Revision | None:
        answer = self._ask(
            self._questions.as_of, realm.encode(), int8(min(max(position, -1), _FAR))
        )
        if not answer.count:
            return None
        record = answer.value(0, 1)
        if record is not None:
            return unpack(record)
        floor = number(answer.value(0, 0))
        if floor > 1:
            raise HistoryCompacted(floor - 1, floor, realm=realm)
        return None

    def last_position(self) -> int:
        return number(self._ask(self._questions.last_position).value(0, 0))

    def steps(self, after: Mapping[RealmName, int], *, limit: int) -> Sequence[Step]:
        by_name = {str(realm): realm for realm in after}
        floors, answer = self._asked(
            [
                Question(self._questions.floors, texts(after)),
                Question(
                    self._questions.steps,
                    texts(after),
                    int8s(min(max(generation, -1), _FAR) for generation in after.values()),
                    int8(limit),
                ),
            ]
        )
        _refuse_gap(floors, after)
        return [
            Step(
                position=number(answer.value(index, 0)),
                realm=by_name[text(answer.value(index, 1))],
                revision=unpack(_record(answer, index, 2)),
            )
            for index in range(answer.count)
        ]

    # --- what hangs on a realm -------------------------------------------------------------------

    def receipt(self, realm: RealmName, write_id: str) -> Receipt | None:
        answer = self._ask(self._questions.receipt, realm.encode(), write_id.encode())
        if not answer.count:
            return None
        return Receipt(
            realm=realm,
            write_id=write_id,
            request=text(answer.value(0, 0)),
            outcome=text(answer.value(0, 1)),
            generation=number(answer.value(0, 2)),
        )

    def receipts(
        self, realm: RealmName, *, since: int, after: str | None, limit: int | None
    ) -> Sequence[Receipt]:
        answer = self._ask(
            self._questions.receipts,
            realm.encode(),
            (after or "").encode(),
            int8(since),
            None if limit is None else int8(limit),
        )
        return [
            Receipt(
                realm=realm,
                write_id=text(answer.value(index, 0)),
                request=text(answer.value(index, 1)),
                outcome=text(answer.value(index, 2)),
                generation=number(answer.value(index, 3)),
            )
            for index in range(answer.count)
        ]

    def realms(self, *, after: str | None = None, limit: int | None = None) -> Sequence[RealmEntry]:
        answer = self._ask(
            self._questions.realms,
            (after or "").encode(),
            None if limit is None else int8(max(0, limit)),
        )
        return [
            RealmEntry(
                realm=_name(answer.value(index, 0)),
                generation=number(answer.value(index, 1)),
                exists=number(answer.value(index, 2)) == 1,
                parent=None if answer.value(index, 3) is None else _name(answer.value(index, 3)),
                moved_to=optional_text(answer.value(index, 4)),
            )
            for index in range(answer.count)
        ]

    def children(self, realm: RealmName) -> Sequence[RealmName]:
        answer = self._ask(self._questions.children, realm.encode())
        return [_name(answer.value(index, 0)) for index in range(answer.count)]

    def schema(self, digest: str) -> Document:
        from realmconf.domain.document import load_document

        answer = self._ask(self._questions.schema, digest.encode())
        if not answer.count:
            raise lost_schema(digest)
        return load_document(_record(answer, 0, 0).decode())

    def schemas(self, realm: RealmName) -> Sequence[str]:
        answer = self._ask(self._questions.schemas, realm.encode())
        return [text(answer.value(index, 0)) for index in range(answer.count)]


def _record(answer: Answer, row: int, column: int) -> bytes:
    value = answer.value(row, column)
    assert value is not None
    return value


def _name(value: bytes | None) -> RealmName:
    from realmconf.domain.names import RealmName

    # It was checked when it was written.
    return str.__new__(RealmName, text(value))


def _refuse_gap(floors: Answer, after: Mapping[RealmName, int]) -> None:
    found = {
        text(floors.value(row, 0)): number(floors.value(row, 1)) for row in range(floors.count)
    }
    for realm, generation in after.items():
        floor = found.get(str(realm), 1)
        if generation + 1 < floor:
            raise HistoryCompacted(generation + 1, floor, realm=realm)
