"""Acmebooks: vouchers, written many at a time under a reference of ours.

Acmebooks is invented: replace it by your vendor. Say here what the next reader must know: what the vendor offers against
doubles, how a voucher is corrected and undone, what is locked when, what surprised you.

A voucher that is written again under its reference replaces the earlier one, so the same request may be sent any number of
times (class A). Nothing is deleted: an undone voucher is void.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any

from syncjob.errors import ConnectorDown, Misconfigured, NeedsPerson, OutcomeUnknown, Problem, RecordRefused
from syncjob.http import Answer, Http
from syncjob.model import Action, DocumentKind, Invoice, Json, Remote, canonical, idempotency_key
from syncjob.money import Money
from syncjob.ports import (
    Absent,
    Balance,
    Call,
    CannotTell,
    Delivered,
    Found,
    Identity,
    Lock,
    Member,
    MirrorPage,
    Options,
    Outcome,
    Present,
    Promises,
    Put,
    Refused,
    TargetClass,
    Unknown,
)

# Every setting that syncjob.yaml may hold here, each with one sentence; docs/connectors/acmebooks.md repeats them.
SETTINGS: Mapping[str, str] = {
    "base_url": "Where Acmebooks' API is; leave it out, except for a sandbox (default https://api.acmebooks.example).",
}
# What the vendor offers against doubles decides the class, and nothing is assumed beyond it:
#   A  a document written again under our reference replaces the earlier one (this example)
#   B  an idempotency key is remembered for key_lifetime, and our reference can be searched: send call.key in its header
#   C  our reference can be searched, nothing else: `find` is asked before anything is sent a second time
#   D  neither: what is doubtful goes to a person
# lag: how long a new object may stay invisible to `find`. corrects_by: "reverse" where nothing that is booked may be changed.
PROMISES = Promises(
    grade=TargetClass.A,
    batch=50,
    kinds=(
        DocumentKind.RECEIPT,
        DocumentKind.REFUND,
        DocumentKind.EXPENSE,
        DocumentKind.TRANSFER,
        DocumentKind.JOURNAL,
        DocumentKind.APPLICATION,
    ),
)
_BASE_URL = "https://api.acmebooks.example"
_FIELDS = ("date", "payee", "narration", "postings")
_INVOICES_PAGE = 100
_PAGES_MAX = 100_000


def connect(options: Options, http: Http) -> Acmebooks:
    """Acmebooks with the key of one company. Raises Misconfigured where no key is given."""
    if options.secret is None:
        raise Misconfigured(f"{options.name}: no key is given; add a line key: env:ACMEBOOKS_KEY")
    place = f"key: of {options.name} in syncjob.yaml"
    return Acmebooks(options.name, http.at(options.settings.get("base_url", _BASE_URL), secret=options.secret, key_place=place))


def accepts_account(code: str) -> bool:
    """Whether an account code of accounts.csv can be one of these books; `syncjob check` asks; without it any is."""
    return 0 < len(code) <= 60 and code.isprintable()


class Acmebooks:
    """The books of one company at Acmebooks."""

    promises = PROMISES

    def __init__(self, name: str, http: Http) -> None:
        self.name = name
        self._http = http

    # ------------------------------------------------------------ who and whether

    def check(self) -> list[Problem]:
        """Ask whether the books can be written to; nothing is written."""
        try:
            self.identity()
        except (NeedsPerson, RecordRefused) as wrong:
            return [Problem("the key", self.name, str(wrong))]
        return []

    def identity(self) -> Identity:
        """Whose books these are: the name in syncjob.yaml is bound to them at the first run."""
        company = self._group(self._http.get("/v1/company"), "id", "mode")
        return Identity(str(company["id"]), str(company["mode"]), str(company.get("name", "")))

    def locks(self) -> list[Lock]:
        """Up to which day the books are closed."""
        through = self._group(self._http.get("/v1/company"), "closed_through")["closed_through"]
        return [Lock(date.fromisoformat(str(through)), hard=True)] if through else []

    # ------------------------------------------------------------ writing

    def prepare(self, batch: Sequence[Put]) -> Sequence[Call]:
        """Calls of up to 50 vouchers; one that cannot be written is in its Call as a refusal, and keeps no other back."""
        return [self._call(batch[start : start + PROMISES.batch]) for start in range(0, len(batch), PROMISES.batch)]

    def _call(self, puts: Sequence[Put]) -> Call:
        items: list[Json] = []
        for put in puts:
            try:
                items.append(_voucher(put))
            except RecordRefused as wrong:
                what = f"{put.kind} {put.key}"
                items.append({"refused": {"what": what, "where": self.name, "why": str(wrong), "cure": wrong.cure}})
        members = tuple(Member(put.key, put.revision, put.generation) for put in puts)
        key = idempotency_key([(member.key, member.revision, member.generation) for member in members])
        return Call(key, members, canonical(items).encode())

    def send(self, call: Call) -> Sequence[Outcome]:
        """Write a Call's vouchers in one request; the same Call again changes nothing."""
        items: list[dict[str, Any]] = json.loads(call.request)
        outcomes: dict[str, Outcome] = {}
        keys: dict[str, str] = {}  # reference -> document key
        for member, item in zip(call.members, items, strict=True):
            if "refused" in item:
                outcomes[member.key] = Refused(member.key, Problem(**item["refused"]))
            else:
                keys[item["reference"]] = member.key
        if keys:
            body = canonical({"vouchers": [item for item in items if "refused" not in item]}).encode()
            # replayable: class A only. It lets the client repeat by itself what got no answer.
            answer = self._http.post("/v1/vouchers", body, method="PUT", replayable=True)
            outcomes |= self._outcomes(answer, keys)
        return [outcomes[member.key] for member in call.members]

    def _outcomes(self, answer: Answer, keys: Mapping[str, str]) -> dict[str, Outcome]:
        """One outcome for each voucher, by reference and never by position; what is not mentioned is unknown."""
        found: dict[str, Outcome] = {key: Unknown(key, "the answer does not mention it") for key in keys.values()}
        try:
            rows = self._rows(answer, "vouchers")
        except ConnectorDown as wrong:
            # The request arrived: an answer that makes no sense leaves open what was done.
            raise OutcomeUnknown(str(wrong)) from wrong
        for row in rows:
            key = keys.get(str(row.get("reference")))
            if key is not None:
                found[key] = _outcome(self.name, key, row)
        return found

    # ------------------------------------------------------------ reading

    def find(self, puts: Sequence[Put]) -> Sequence[Found]:
        """Look vouchers up by their references; a void one is absent."""
        found: list[Found] = []
        for start in range(0, len(puts), PROMISES.batch):
            part = puts[start : start + PROMISES.batch]
            answer = self._http.get("/v1/vouchers", [("references", ",".join(put.reference for put in part))])
            held: dict[str, list[dict[str, Any]]] = {}
            for row in self._rows(answer, "vouchers"):
                if row.get("void") is False:
                    held.setdefault(str(row.get("reference")), []).append(row)
            found += [_found(put.key, held.get(put.reference, []), Absent(put.key, answer.seen_at)) for put in part]
        return found

    def mirror(self, since: str | None) -> Iterator[MirrorPage]:
        """Invoices that changed since the cursor, the vendor's change number, oldest change first."""
        after = since or "0"
        for _ in range(_PAGES_MAX):
            answer = self._http.get("/v1/invoices", [("changed_after", after), ("limit", str(_INVOICES_PAGE))])
            rows = self._rows(answer, "invoices")
            if not rows:
                return
            if str(rows[-1]["change"]) == after:
                raise ConnectorDown(f"{self.name}: the list of invoices does not move on; nothing was skipped")
            after = str(rows[-1]["change"])
            yield MirrorPage(tuple(self._invoice(row, answer) for row in rows), after)

    def balances(self, accounts: Sequence[str], through: date) -> list[Balance]:
        """What these accounts hold at the end of a day, per currency."""
        asked = [("accounts", ",".join(accounts)), ("through", through.isoformat())]
        answer = self._http.get("/v1/balances", asked)
        return [
            Balance(str(row["account"]), Money.of(str(row["amount"]), str(row["currency"])), answer.seen_at)
            for row in self._rows(answer, "balances")
        ]

    def _invoice(self, row: Mapping[str, Any], answer: Answer) -> Invoice:
        currency = str(row["currency"])
        return Invoice(
            target=self.name,
            id=str(row["id"]),
            number=str(row["number"]),
            customer=str(row.get("customer") or ""),
            email=str(row.get("email") or ""),
            total=Money.of(str(row["total"]), currency),
            open=Money.of(str(row["open"]), currency),
            issued=date.fromisoformat(str(row["issued"])),
            due=date.fromisoformat(str(row["due"])) if row.get("due") else None,
            as_of=answer.seen_at,
        )

    # ------------------------------------------------------------ what an answer must be

    def _rows(self, answer: Answer, name: str) -> list[dict[str, Any]]:
        rows = self._group(answer, name)[name]
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise ConnectorDown(f"{self.name}: Acmebooks' answer has no list of {name}; look at base_url")
        return rows

    def _group(self, answer: Answer, *names: str) -> dict[str, Any]:
        body = answer.body
        if not isinstance(body, dict) or not all(name in body for name in names):
            raise ConnectorDown(f"{self.name}: Acmebooks' answer has no {' and '.join(names)}; look at base_url")
        return body


# ---------------------------------------------------------------- a document as a voucher


def _voucher(put: Put) -> dict[str, Json]:
    """The voucher of a Put. Raises RecordRefused where these books cannot hold it."""
    if put.kind not in PROMISES.kinds:
        raise RecordRefused(f"these books hold no {put.kind}", cure="take it out of this target's map")
    if put.action not in (Action.CREATE, Action.UPDATE, Action.VOID):
        raise RecordRefused(f"these books cannot {put.action} a {put.kind}", cure="take it out of this target's map")
    if put.action is Action.VOID:
        return {"reference": put.reference, "void": True}
    unknown = sorted(put.body.keys() - set(_FIELDS))
    if unknown:
        raise RecordRefused(f"the body has {unknown}, which a voucher does not know", cure="correct the map")
    # Amounts are plain decimal text beside their currency, as the body has them. Where the vendor wants another form, make it
    # with syncjob.money, never with a float.
    fields: dict[str, Json] = {name: put.body[name] for name in _FIELDS if put.body.get(name) is not None}
    return {"reference": put.reference, "void": False, **fields}


def _outcome(name: str, key: str, row: Mapping[str, Any]) -> Outcome:
    if "error" in row:
        return Refused(key, Problem(key, name, str(row["error"]), "correct it, then run: syncjob held retry"))
    if not row.get("id"):
        return Unknown(key, "the answer shows it without its id")
    return Delivered(key, _remote(row), None if row.get("void") else _echo(row))


def _found(key: str, rows: Sequence[Mapping[str, Any]], absent: Absent) -> Found:
    if not rows:
        return absent
    if not all(row.get("id") for row in rows):
        return CannotTell(key, "the answer shows it without its id")
    return Present(key, tuple(_remote(row) for row in rows), _echo(rows[0]))


def _remote(row: Mapping[str, Any]) -> Remote:
    return Remote(str(row["id"]), str(row.get("version", "")))


def _echo(row: Mapping[str, Any]) -> Mapping[str, Json]:
    """What the vendor says it holds, in the words of the body: a run compares it with what was sent."""
    return {name: row[name] for name in _FIELDS if name in row}
