"""The tables of the state: what each row is, what it may hold, and how it is found again.

Column types come from one list: SQLite's STRICT tables know only INTEGER, TEXT and BLOB, and an amount, a time or a position
needs 64 bits in PostgreSQL. Texts compare by their bytes in both, so both databases give the same order.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Constraint,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel

from syncjob.model import Status

_WHOLE = BigInteger().with_variant(Integer(), "sqlite")
_TEXT = Text().with_variant(Text(collation="C"), "postgresql")

DUE = "status IN ('planned', 'unknown')"  # spelled once: SQLite uses a partial index only for the same words
HELD = "status IN ('held', 'unknown')"
EVER_UNDONE = "undone > 0"
REVERSES = "reverses <> ''"
DIRTY = "dirty > 0"
OPEN = "settled IS NULL"


class Row(SQLModel, registry=registry(metadata=MetaData())):
    """A row of the state; its tables are nobody else's."""


def _whole(*, key: bool = False, optional: bool = False, of: str = "") -> Any:
    links = (ForeignKey(of),) if of else ()
    return Field(sa_column=Column(_WHOLE, *links, primary_key=key, nullable=optional, autoincrement=False))


def _text(*, key: bool = False, optional: bool = False) -> Any:
    return Field(sa_column=Column(_TEXT, primary_key=key, nullable=optional))


def _listed(column: str, values: tuple[str, ...]) -> CheckConstraint:
    return CheckConstraint(f"{column} IN ({', '.join(repr(value) for value in values)})")


def _currency(column: str = "currency") -> tuple[Constraint, Constraint]:
    return (
        CheckConstraint(f"{column} GLOB '[A-Z][A-Z][A-Z]'").ddl_if(dialect="sqlite"),
        CheckConstraint(f"{column} ~ '^[A-Z]{{3}}$'").ddl_if(dialect="postgresql"),
    )


def _some(name: str, *columns: str, where: str) -> Index:
    return Index(name, *columns, sqlite_where=text(where), postgresql_where=text(where))


_CLUSTERED = {"sqlite_with_rowid": False}  # one tree instead of two, where rows are small and found by their key


class MetaRow(Row, table=True):
    """What the state says about itself: schema version, steps of a migration, fencing number, who holds the lock."""

    __tablename__ = "meta"
    name: str = _text(key=True)
    value: str = _text()


class StreamRow(Row, table=True):
    """Whose records: account name, vendor's account, live or test. Records name it by its number."""

    __tablename__ = "stream"
    __table_args__ = (UniqueConstraint("source", "account", "mode"), _listed("mode", ("live", "test")))
    id: int = _whole(key=True)
    source: str = _text()
    account: str = _text()
    mode: str = _text()


class SubjectRow(Row, table=True):
    """Something that records are about. `dirty` counts the reasons to plan it that came since it was last planned."""

    __tablename__ = "subject"
    __table_args__ = (UniqueConstraint("scope", "name"), _some("ix_subject_dirty", "position", "name", where=DIRTY))
    id: int = _whole(key=True)
    scope: str = _text()
    name: str = _text()
    stream: int | None = _whole(optional=True, of="stream.id")
    position: int = _whole()
    dirty: int = _whole()


class RecordRow(Row, table=True):
    """One version of one gateway object; `head` marks the newest of its identity. Its personal fields stand apart."""

    __tablename__ = "record"
    __table_args__ = (
        UniqueConstraint("name", "type", "stream", "sequence"),
        Index("ix_record_subject", "subject"),
        CheckConstraint("head IN (0, 1)"),
    )
    id: int = _whole(key=True)
    subject: int = _whole(of="subject.id")
    stream: int = _whole(of="stream.id")
    type: str = _text()
    name: str = _text()
    sequence: int = _whole()
    head: int = _whole()
    occurred: int = _whole()
    as_of: int = _whole()
    landed: int = _whole()
    digest: str = _text()
    person: str = _text()
    problem: str | None = _text(optional=True)
    body: str = _text()


class PersonalRow(Row, table=True):
    """The personal fields of one version: deleting the rows of a person harms no amount, id or key."""

    __tablename__ = "personal"
    __table_args__ = (Index("ix_personal_person", "person"), _CLUSTERED)
    record: int = _whole(key=True, of="record.id")
    person: str = _text(key=True)
    fields: str = _text()


class ProgressRow(Row, table=True):
    """How far a feed was read. `axis` says whether the three bounds are microseconds or numbers of a sequence."""

    __tablename__ = "progress"
    __table_args__ = (_listed("axis", ("time", "sequence")),)
    source: str = _text(key=True)
    feed: str = _text(key=True)
    axis: str = _text()
    cursor: int | None = _whole(optional=True)
    since: int | None = _whole(optional=True)
    ceiling: int | None = _whole(optional=True)
    resume: str | None = _text(optional=True)
    seen_at: int | None = _whole(optional=True)


class EntryRow(Row, table=True):
    """The head of a posting; never changed after it was inserted."""

    __tablename__ = "entry"
    __table_args__ = (
        UniqueConstraint("key"),
        Index("ix_entry_subject", "subject"),
        Index("ix_entry_effective", "source", "effective"),
    )
    id: int = _whole(key=True)
    key: str = _text()
    subject: int = _whole(of="subject.id")
    source: str = _text()
    origin: str = _text()
    kind: str = _text()
    effective: int = _whole()
    date: str = _text()


class LineRow(Row, table=True):
    """One side of a posting: debit positive, credit negative."""

    __tablename__ = "line"
    __table_args__ = (*_currency(), *_currency("home_currency"), _CLUSTERED)
    entry: int = _whole(key=True, of="entry.id")
    ordinal: int = _whole(key=True)
    role: str = _text()
    bucket: str = _text()
    currency: str = _text()
    minor: int = _whole()
    reference: str = _text()
    home_currency: str | None = _text(optional=True)
    home_minor: int | None = _whole(optional=True)
    rate_source: str = _text()


class PostedRow(Row, table=True):
    """Which document brings an entry to a target, from which revision of it on; assigned once."""

    __tablename__ = "posted"
    __table_args__ = (_CLUSTERED,)
    entry: int = _whole(key=True, of="entry.id")
    target: str = _text(key=True)
    document: str = _text()
    revision: int = _whole()


class ApplicationRow(Row, table=True):
    """One version of what a movement is for."""

    __tablename__ = "application"
    __table_args__ = (
        UniqueConstraint("movement", "version"),
        Index("ix_application_subject", "subject"),
        _some("ix_application_wanted", "number", where="number <> ''"),
        _some("ix_application_customer", "customer", where="customer <> ''"),
    )
    id: int = _whole(key=True)
    subject: int = _whole(of="subject.id")
    movement: str = _text()
    version: int = _whole()
    rule: str = _text()
    evidence: str = _text()
    runner_up: str = _text()
    wanted: str = _text()
    number: str = _text()  # wanted, as numbers are compared
    problem: str | None = _text(optional=True)
    customer: str = _text()  # who paid, where nothing was named. Version 3.
    written_off: int = _whole()  # minor units of the parts' currency. Version 3.


class PartRow(Row, table=True):
    """A share of an application."""

    __tablename__ = "part"
    __table_args__ = (*_currency(), _some("ix_part_number", "number", where="number <> ''"), _CLUSTERED)
    application: int = _whole(key=True, of="application.id")
    ordinal: int = _whole(key=True)
    invoice: str = _text()
    number: str = _text()  # invoice, as numbers are compared
    currency: str = _text()
    minor: int = _whole()


class RefusalRow(Row, table=True):
    """A record that is held, and what is at stake."""

    __tablename__ = "refusal"
    __table_args__ = (*_currency(),)
    subject: int = _whole(key=True, of="subject.id")
    ordinal: int = _whole(key=True)
    type: str = _text()
    name: str = _text()
    problem: str = _text()
    effective: int | None = _whole(optional=True)
    currency: str | None = _text(optional=True)
    minor: int | None = _whole(optional=True)
    bucket: str = _text()


class DeliveryRow(Row, table=True):
    """The promise to bring one document to one target; `rank` is the wave of its kind and its date in one number."""

    __tablename__ = "delivery"
    __table_args__ = (
        Index("ix_delivery_subject", "subject"),
        _some("ix_delivery_due", "target", "rank", "key", where=DUE),
        _some("ix_delivery_held", "target", "key", where=HELD),
        _some("ix_delivery_undone", "target", "key", where=EVER_UNDONE),
        _some("ix_delivery_reverses", "target", "reverses", where=REVERSES),
        _listed("status", tuple(status.value for status in Status)),
    )
    key: str = _text(key=True)
    target: str = _text(key=True)
    subject: int = _whole(of="subject.id")
    kind: str = _text()
    action: str = _text()
    revision: int = _whole()
    generation: int = _whole()
    status: str = _text()
    rank: int = _whole()
    date: str | None = _text(optional=True)
    due: int | None = _whole(optional=True)
    as_of: int = _whole()
    attempts: int = _whole()
    call: str = _text()
    problem: str | None = _text(optional=True)
    remote: str | None = _text(optional=True)
    remote_version: str | None = _text(optional=True)
    delivered_revision: int = _whole()
    delivered_digest: str = _text()
    delivered_as_of: int | None = _whole(optional=True)
    history: str = _text()
    digest: str = _text()
    facts: str = _text()
    needs: str = _text()
    body: str = _text()
    map: str = _text()  # which maps made it; version 2
    undone: int = _whole()  # how often it was taken out of its target; version 5
    reverses: str = _text()  # the document that it takes back; version 5


class CallRow(Row, table=True):
    """One request, committed before its first byte leaves; its bytes go once it is settled, its key stays."""

    __tablename__ = "call"
    __table_args__ = (Index("ix_call_key", "key"), _some("ix_call_open", "target", "id", where=OPEN))
    id: int = _whole(key=True)
    target: str = _text()
    key: str = _text()
    committed: int = _whole()
    settled: int | None = _whole(optional=True)
    request: bytes | None = Field(sa_column=Column(LargeBinary, nullable=True))
    run: int = _whole()  # which run committed it; version 5


class MemberRow(Row, table=True):
    """One document inside a call, in order, and what became of it there."""

    __tablename__ = "member"
    __table_args__ = (Index("ix_member_key", "key"), _CLUSTERED)
    call: int = _whole(key=True, of="call.id")
    ordinal: int = _whole(key=True)
    key: str = _text()
    revision: int = _whole()
    generation: int = _whole()
    outcome: str | None = _text(optional=True)


class InvoiceRow(Row, table=True):
    """An invoice in the mirror of the books."""

    __tablename__ = "invoice"
    __table_args__ = (*_currency(), Index("ix_invoice_normal", "normal"))
    target: str = _text(key=True)
    id: str = _text(key=True)
    number: str = _text()
    normal: str = _text()  # number, as numbers are compared
    customer: str = _text()
    email: str = _text()
    currency: str = _text()
    total: int = _whole()
    open: int = _whole()
    issued: str = _text()
    due: str | None = _text(optional=True)
    as_of: int = _whole()


class MirrorRow(Row, table=True):
    """How far the books of a target were mirrored."""

    __tablename__ = "mirror"
    target: str = _text(key=True)
    cursor: str = _text()
    seen: int = _whole()


class BindingRow(Row, table=True):
    """Whose account a connector's name stands for, since its first use."""

    __tablename__ = "binding"
    name: str = _text(key=True)
    account: str = _text()
    mode: str = _text()
    label: str = _text()
    fingerprint: str = _text()
    bound: int = _whole()
    seen: int = _whole()


class CodeRow(Row, table=True):
    """The account code that a target first used for a role."""

    __tablename__ = "code"
    target: str = _text(key=True)
    role: str = _text(key=True)
    source: str = _text(key=True)
    currency: str = _text(key=True)
    code: str = _text()


class CodedRow(Row, table=True):
    """From which revision on a document's postings stand under another chart than the first (its number). Version 2."""

    __tablename__ = "coded"
    __table_args__ = (_CLUSTERED,)
    key: str = _text(key=True)
    target: str = _text(key=True)
    revision: int = _whole(key=True)
    chart: int = _whole()


class RunRow(Row, table=True):
    """One run."""

    __tablename__ = "run"
    id: int = _whole(key=True)
    kind: str = _text()
    started: int = _whole()
    ended: int | None = _whole(optional=True)
    exit: int | None = _whole(optional=True)
    counts: str = _text()


class BalanceRow(Row, table=True):
    """What a vendor said its balance was."""

    __tablename__ = "balance"
    __table_args__ = (*_currency(),)
    source: str = _text(key=True)
    place: str = _text(key=True)
    currency: str = _text(key=True)
    minor: int = _whole()
    as_of: int = _whole()


class FactRow(Row, table=True):
    """A small fact of the installation."""

    __tablename__ = "fact"
    name: str = _text(key=True)
    value: str = _text()


class CustomerRow(Row, table=True):
    """The crosswalk: what one system calls a customer whom others know as well; one number, one customer. Version 2."""

    __tablename__ = "customer"
    __table_args__ = (Index("ix_customer_number", "number"),)
    system: str = _text(key=True)  # the name of a gateway account, of books or of a CRM
    id: str = _text(key=True)
    number: int = _whole()
    how: str = _text()  # who said so: a person, or the rule that found it
    since: int = _whole()


class MapCountRow(Row, table=True):
    """What a map's rules did on one day (UTC), by field; `value` is a word that was new. Version 2."""

    __tablename__ = "mapcount"
    __table_args__ = (_CLUSTERED,)
    map: str = _text(key=True)
    day: str = _text(key=True)
    field: str = _text(key=True)
    what: str = _text(key=True)
    value: str = _text(key=True)
    number: int = _whole()


class BankRow(Row, table=True):
    """A line of a bank account's statement; `nth` tells apart lines of a day that are alike. Version 4."""

    __tablename__ = "bankline"
    __table_args__ = (_CLUSTERED,)
    account: str = _text(key=True)
    day: str = _text(key=True)
    currency: str = _text(key=True)
    minor: int = _whole(key=True)
    text: str = _text(key=True)
    nth: int = _whole(key=True)
    seen: int = _whole()


class PaidOutRow(Row, table=True):
    """Which payout pays a movement out, as the gateway said. Version 6."""

    __tablename__ = "paidout"
    __table_args__ = (_CLUSTERED,)
    source: str = _text(key=True)
    movement: str = _text(key=True)
    payout: str = _text()


class AuditRow(Row, table=True):
    """One line of the audit log; `chain` is the digest of this line and of the chain before it."""

    __tablename__ = "audit"
    id: int = _whole(key=True)
    at: int = _whole()
    who: str = _text()
    what: str = _text()
    detail: str = _text()
    chain: str = _text()


METADATA = Row.metadata


def _table(row: type[Row]) -> Table:
    return METADATA.tables[str(row.__tablename__)]


META, STREAM, SUBJECT, RECORD = _table(MetaRow), _table(StreamRow), _table(SubjectRow), _table(RecordRow)
PERSONAL, PROGRESS, ENTRY, LINE = _table(PersonalRow), _table(ProgressRow), _table(EntryRow), _table(LineRow)
POSTED, APPLICATION, PART, REFUSAL = _table(PostedRow), _table(ApplicationRow), _table(PartRow), _table(RefusalRow)
DELIVERY, CALL, MEMBER, INVOICE = _table(DeliveryRow), _table(CallRow), _table(MemberRow), _table(InvoiceRow)
MIRROR, BINDING, CODE, RUN = _table(MirrorRow), _table(BindingRow), _table(CodeRow), _table(RunRow)
BALANCE, FACT, AUDIT = _table(BalanceRow), _table(FactRow), _table(AuditRow)
CUSTOMER, MAPCOUNT, CODED = _table(CustomerRow), _table(MapCountRow), _table(CodedRow)
BANKLINE, PAIDOUT = _table(BankRow), _table(PaidOutRow)
