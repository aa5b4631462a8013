"""Acmecrm: records of many types, written many at a time under a reference of ours.

Acmecrm is invented: replace it by your vendor. Say here what the next reader must know: what the vendor offers against doubles,
in which field our reference stands, how long a search may lag behind, what surprised you.

A record that is written again under its reference replaces the earlier one, so the same request may be sent any number of
times (class A). The reference stands in a field of our own, which `provision` creates once.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from syncjob.errors import ConnectorDown, Misconfigured, NeedsPerson, OutcomeUnknown, Problem, RecordRefused, SyncjobError
from syncjob.http import Answer, Http
from syncjob.model import Action, DocumentKind, Json, Remote, canonical, idempotency_key
from syncjob.ports import (
    Absent,
    Call,
    CannotTell,
    Delivered,
    Found,
    Identity,
    Member,
    Options,
    Outcome,
    Present,
    Promises,
    Put,
    Refused,
    TargetClass,
    Unknown,
)

# Every setting that syncjob.yaml may hold here, each with one sentence; docs/connectors/acmecrm.md repeats them.
SETTINGS: Mapping[str, str] = {
    "base_url": "Where Acmecrm's API is; leave it out, except for a sandbox (default https://api.acmecrm.example).",
}
# What the vendor offers against doubles decides the class, and nothing is assumed beyond it:
#   A  a record written again under our reference replaces the earlier one (this example)
#   B  an idempotency key is remembered for key_lifetime, and our reference can be searched: send call.key in its header
#   C  our reference can be searched, nothing else: `find` is asked before anything is sent a second time
#   D  neither: what is doubtful goes to a person
# lag: how long a new record may stay invisible to `find`. Take a kind out where the vendor has no place for it; a CRM that
# takes contacts takes companies too, since a contact may belong to one.
PROMISES = Promises(
    grade=TargetClass.A,
    batch=50,
    kinds=(
        DocumentKind.COMPANY,
        DocumentKind.CONTACT,
        DocumentKind.PAYMENT,
        DocumentKind.DEAL,
        DocumentKind.TASK,
        DocumentKind.EVENT,
    ),
)
_BASE_URL = "https://api.acmecrm.example"
_FIELD = "syncjob_reference"


def connect(options: Options, http: Http) -> Acmecrm:
    """Acmecrm with the key of one account. Raises Misconfigured where no key is given."""
    if options.secret is None:
        raise Misconfigured(f"{options.name}: no key is given; add a line key: env:ACMECRM_KEY")
    place = f"key: of {options.name} in syncjob.yaml"
    return Acmecrm(options.name, http.at(options.settings.get("base_url", _BASE_URL), secret=options.secret, key_place=place))


class Acmecrm:
    """One account at Acmecrm."""

    promises = PROMISES

    def __init__(self, name: str, http: Http) -> None:
        self.name = name
        self._http = http

    # ------------------------------------------------------------ who and whether

    def check(self) -> list[Problem]:
        """Ask whether the CRM can be written to; nothing is written."""
        try:
            self.identity()
        except (NeedsPerson, RecordRefused) as wrong:
            return [Problem("the key", self.name, str(wrong))]
        return []

    def identity(self) -> Identity:
        """Whose account this is: the name in syncjob.yaml is bound to it at the first run."""
        account = self._group(self._http.get("/v1/account"), "id", "mode")
        return Identity(str(account["id"]), str(account["mode"]), str(account.get("name", "")))

    def provision(self) -> list[Problem]:
        """Create the field for our reference, once."""
        try:
            fields = self._group(self._http.get("/v1/fields"), "fields")["fields"]
            if _FIELD not in fields:
                self._http.post("/v1/fields", canonical({"name": _FIELD, "unique": True}).encode(), expect=(409,))
        except SyncjobError as wrong:
            return [Problem(f"the field {_FIELD}", self.name, str(wrong), "give the key the right to create fields")]
        return []

    # ------------------------------------------------------------ writing

    def prepare(self, batch: Sequence[Put]) -> Sequence[Call]:
        """Calls of up to 50 records; one that cannot be written is in its Call as a refusal, and keeps no other back."""
        return [self._call(batch[start : start + PROMISES.batch]) for start in range(0, len(batch), PROMISES.batch)]

    def _call(self, puts: Sequence[Put]) -> Call:
        items: list[Json] = []
        for put in puts:
            try:
                items.append(_record(put))
            except RecordRefused as wrong:
                what = f"{put.kind} {put.key}"
                items.append({"refused": {"what": what, "where": self.name, "why": str(wrong), "cure": wrong.cure}})
        members = tuple(Member(put.key, put.revision, put.generation) for put in puts)
        key = idempotency_key([(member.key, member.revision, member.generation) for member in members])
        return Call(key, members, canonical(items).encode())

    def send(self, call: Call) -> Sequence[Outcome]:
        """Write a Call's records in one request; the same Call again changes nothing."""
        items: list[dict[str, Any]] = json.loads(call.request)
        outcomes: dict[str, Outcome] = {}
        keys: dict[str, str] = {}  # reference -> document key
        for member, item in zip(call.members, items, strict=True):
            if "refused" in item:
                outcomes[member.key] = Refused(member.key, Problem(**item["refused"]))
            else:
                keys[item["reference"]] = member.key
        if keys:
            body = canonical({"records": [item for item in items if "refused" not in item]}).encode()
            # replayable: class A only. It lets the client repeat by itself what got no answer.
            outcomes |= self._outcomes(self._http.post("/v1/records", body, method="PUT", replayable=True), keys)
        return [outcomes[member.key] for member in call.members]

    def _outcomes(self, answer: Answer, keys: Mapping[str, str]) -> dict[str, Outcome]:
        """One outcome for each record, by reference and never by position; what is not mentioned is unknown."""
        found: dict[str, Outcome] = {key: Unknown(key, "the answer does not mention it") for key in keys.values()}
        try:
            rows = self._rows(answer)
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
        """Look records up by their references; a deleted one is absent."""
        found: list[Found] = []
        for start in range(0, len(puts), PROMISES.batch):
            part = puts[start : start + PROMISES.batch]
            answer = self._http.get("/v1/records", [("references", ",".join(put.reference for put in part))])
            held: dict[str, list[dict[str, Any]]] = {}
            for row in self._rows(answer):
                if row.get("deleted") is False:
                    held.setdefault(str(row.get("reference")), []).append(row)
            found += [_found(put.key, held.get(put.reference, []), Absent(put.key, answer.seen_at)) for put in part]
        return found

    # ------------------------------------------------------------ what an answer must be

    def _rows(self, answer: Answer) -> list[dict[str, Any]]:
        rows = self._group(answer, "records")["records"]
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise ConnectorDown(f"{self.name}: Acmecrm's answer has no list of records; look at base_url")
        return rows

    def _group(self, answer: Answer, *names: str) -> dict[str, Any]:
        body = answer.body
        if not isinstance(body, dict) or not all(name in body for name in names):
            raise ConnectorDown(f"{self.name}: Acmecrm's answer has no {' and '.join(names)}; look at base_url")
        return body


# ---------------------------------------------------------------- a document as a record


def _record(put: Put) -> dict[str, Json]:
    """The record of a Put. Raises RecordRefused where this CRM cannot hold it."""
    if put.kind not in PROMISES.kinds:
        raise RecordRefused(f"this CRM holds no {put.kind}", cure="take it out of this target's map")
    if put.action not in (Action.CREATE, Action.UPDATE, Action.VOID):
        raise RecordRefused(f"this CRM cannot {put.action} a {put.kind}", cure="take it out of this target's map")
    record: dict[str, Json] = {"type": put.kind.value, "reference": put.reference, "deleted": put.action is Action.VOID}
    if put.action is not Action.VOID:
        # Amounts are plain decimal text beside their currency, as the body has them; never make a float of one.
        record["fields"] = {name: value for name, value in put.body.items() if value is not None}
        record["links"] = {role: remote.id for role, remote in put.links.items()}
    return record


def _outcome(name: str, key: str, row: Mapping[str, Any]) -> Outcome:
    if "error" in row:
        return Refused(key, Problem(key, name, str(row["error"]), "correct it, then run: syncjob held retry"))
    if not row.get("id"):
        return Unknown(key, "the answer shows it without its id")
    return Delivered(key, _remote(row), None if row.get("deleted") else row.get("fields"))


def _found(key: str, rows: Sequence[Mapping[str, Any]], absent: Absent) -> Found:
    if not rows:
        return absent
    if not all(row.get("id") for row in rows):
        return CannotTell(key, "the answer shows it without its id")
    # What the vendor says it holds, in the words of the body: a run compares it with what was sent.
    return Present(key, tuple(_remote(row) for row in rows), rows[0].get("fields"))


def _remote(row: Mapping[str, Any]) -> Remote:
    return Remote(str(row["id"]), str(row.get("version", "")))
