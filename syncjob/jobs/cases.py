"""The cases beside the maps, tried: each goes the way of a real record, through its maps and the ordinary planning.

Only the surroundings are made up, and the same for all cases: one account, one chart of accounts, one company.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeVar, cast

from syncjob.chart import Chart
from syncjob.errors import Misconfigured, RecordRefused
from syncjob.jobs.documents import Recorder
from syncjob.landing import land
from syncjob.mapping import GatewayMap, TargetMap, cases, casetext, comparing, load_gateway, load_target
from syncjob.mapping.cases import BOOKS, CRM, SOURCE, CaseFile, GatewayCase, Shown, TargetCase
from syncjob.mapping.casetext import Item
from syncjob.mapping.comparing import Difference
from syncjob.mapping.explaining import Answer, Explained, explained
from syncjob.mapping.telling import Told
from syncjob.matching import Books
from syncjob.model import Delivery, DocumentKind, Invoice, Json, Part, Reading, Record, Refusal, Role
from syncjob.moment import from_text
from syncjob.money import Money
from syncjob.plan import Decided, Known, Ledger, Rules, invoice_documents, plan
from syncjob.plan.locking import Late
from syncjob.plan.proceed import proceed
from syncjob.plan.units import Booking, Mode, summary, units
from syncjob.ports import Lock
from syncjob.posting import rules as rules_of
from syncjob.posting.rules import Treatment
from syncjob.yamlfile import Place

HOME_CURRENCY = "EUR"
START = from_text("2000-01-01T00:00:00Z")
_ACCOUNTS = {
    Role.CLEARING: "Assets:Shop:Balance",
    Role.RESERVE: "Assets:Shop:Reserve",
    Role.PAYOUTS_IN_TRANSIT: "Assets:Bank:InTransit",
    Role.BANK: "Assets:Bank:Current",
    Role.RECEIVABLE: "Assets:Receivable",
    Role.UNAPPLIED: "Liabilities:Customers:Unapplied",
    Role.CUSTOMER_CREDIT: "Liabilities:Customers:Credit",
    Role.SUSPENSE: "Liabilities:Suspense",
    Role.REVENUE: "Income:Sales",
    Role.DEFERRED_REVENUE: "Liabilities:DeferredRevenue",
    Role.RETURNS: "Income:Returns",
    Role.TAX: "Liabilities:Tax",
    Role.FEES: "Expenses:Gateway:Fees",
    Role.FEE_TAX: "Expenses:Gateway:FeeTax",
    Role.FEES_PREPAID: "Assets:Gateway:FeesPrepaid",
    Role.DISPUTED: "Assets:Disputed",
    Role.DISPUTE_FEES: "Expenses:Disputes:Fees",
    Role.DISPUTE_LOSS: "Expenses:Disputes:Losses",
    Role.WRITE_OFF: "Expenses:WriteOffs",
    Role.ROUNDING: "Expenses:Rounding",
    Role.FX: "Expenses:Exchange",
    Role.FX_CONVERSION: "Equity:Conversions",
    Role.SELLER_LIABILITY: "Liabilities:Sellers",
    Role.CONTROL: "Liabilities:Customers:Control",
    Role.OPENING: "Equity:Opening",
}
CHART = Chart({(role.value, "", ""): code for role, code in _ACCOUNTS.items()}, "the chart of the cases")
_BY_RULES = "the posting rules and the chart, by what the gateway's map has read"
_T = TypeVar("_T")
_K = TypeVar("_K")


@dataclass(frozen=True, slots=True)
class Finding:
    """A difference, and the line of the map that decided ("" where that cannot be told)."""

    difference: Difference
    decided: str


@dataclass(frozen=True, slots=True)
class Trial:
    """How a case went: nothing found, or what differs, or why it cannot be read."""

    file: CaseFile
    shows: str = ""
    findings: tuple[Finding, ...] = ()
    unreadable: str = ""

    @property
    def passed(self) -> bool:
        """Whether all came as expected."""
        return not self.findings and not self.unreadable


@dataclass(slots=True)
class Bench:
    """Where cases are tried: a home's own maps and cases, or without a home those that came with syncjob."""

    home: Path | None
    _gateways: dict[str, GatewayMap] = field(default_factory=dict)
    _targets: dict[tuple[str, str], TargetMap] = field(default_factory=dict)
    _maps: tuple[str, ...] = ()

    def maps(self) -> tuple[str, ...]:
        """The maps that there are."""
        if not self._maps:
            self._maps = cases.maps(self.home)
        return self._maps

    def gateway(self, name: str) -> GatewayMap:
        """A gateway's map, loaded once. Raises Misconfigured where it is not right as a whole."""
        return _once(self._gateways, name, lambda: load_gateway(name, self.home))

    def target(self, kind: str, name: str) -> TargetMap:
        """A target's map, loaded once. Raises Misconfigured where it is not right as a whole."""
        of = cast(Literal["accounting", "crm"], kind)
        return _once(self._targets, (kind, name), lambda: load_target(of, name, self.home))

    def trial(self, file: CaseFile, known: Sequence[CaseFile]) -> Trial:
        """Try one case; `known` are all that another one may begin with.

        Raises Misconfigured for a map that is not right as a whole: then no case of it says anything.
        """
        try:
            case = cases.read(file)
            shown = case.shown if isinstance(case, GatewayCase) else self._origin(case, known)
        except Misconfigured as wrong:
            return Trial(file, unreadable=str(wrong))
        missing = next((name for name in (file.map, f"gateways/{shown.gateway}") if name not in self.maps()), None)
        if missing is not None:
            return Trial(file, unreadable=f"{file.called}: there is no map {missing}; known: {', '.join(self.maps())}")
        self.gateway(shown.gateway)
        if isinstance(case, TargetCase):
            self.target(file.kind, file.of)
        try:
            findings = self.gateway_findings(case) if isinstance(case, GatewayCase) else self.target_findings(case, shown)
            return Trial(file, case.shows, tuple(findings))
        except Misconfigured as wrong:
            return Trial(file, unreadable=str(wrong))

    def _origin(self, case: TargetCase, known: Sequence[CaseFile]) -> Shown:
        if case.shown is not None:
            return case.shown
        found = next((one for one in known if f"{one.map}/{one.name}" == case.origin), None)
        if found is None:
            why = f"{case.origin!r} at from: is no case; see the files in mappings/cases/gateways"
            raise Misconfigured(f"{case.file.called}: {why}")
        origin = cases.read(found)
        assert isinstance(origin, GatewayCase)  # noqa: S101 - it stands under gateways/
        return origin.shown

    def gateway_findings(self, case: GatewayCase) -> Iterator[Finding]:
        """What of a gateway's case does not come as expected."""
        map, shown = self.gateway(case.file.of), case.shown
        records = landed(map, shown)
        reading = read(map, shown, records)
        said = comparing.meaning(case.means, case.held, casetext.meaning(reading), casetext.held(reading.problems))
        said += _unkept(shown, records, case.file.of)
        if said:
            readable = [record for record in records if record.problem is None]
            blocks = explained(map, shown.stream, shown.subject, readable)
            yield from (Finding(one, _by_gateway(one, blocks)) for one in said)

    def target_findings(self, case: TargetCase, shown: Shown) -> Iterator[Finding]:
        """What of a target's case does not come as expected."""
        map = self.target(case.file.kind, case.file.of)
        outcome = self.planned(map, case, shown)
        said = comparing.documents(case.documents, case.held, *outcome.spelled())
        yield from (Finding(one, _by_target(one, map, outcome)) for one in said)

    def planned(self, map: TargetMap, case: TargetCase, shown: Shown) -> Outcome:
        """The documents of a target's case, by the ordinary planning."""
        gateway = self.gateway(shown.gateway)
        records = landed(gateway, shown)
        reading = read(gateway, shown, records)
        recorder, is_books = Recorder(map), case.file.kind == "accounting"
        booking = Booking(Mode.PER_DAY if case.per_day else Mode.PER_TRANSACTION, late=Late.NEXT_OPEN_DAY)
        ledger = Ledger(BOOKS if is_books else CRM, recorder, is_books, frozenset(DocumentKind), booking)
        how = Treatment(rules_of.load(self.home), shown.gateway)
        locks = {BOOKS: (Lock(case.closed_through),)} if case.closed_through is not None else {}
        rules = Rules(case.zone, HOME_CURRENCY, START, CHART, (ledger,), treatments={SOURCE: how}, locks=locks)
        known = Known(subject=shown.subject, source=SOURCE, records=tuple(records), reading=reading, map=gateway.digest)
        try:
            decided = plan(known, rules, Books(case.invoices, {}), {})
            deals = [*_deals(case.invoices, decided, rules), *_summaries(decided, ledger)]
        except RecordRefused as refused:
            return Outcome(recorder, reading.problems, refused=Item(record=shown.subject, why=str(refused)))
        return Outcome(recorder, decided.refusals, (*decided.deliveries, *deals))


def _summaries(decided: Decided, ledger: Ledger) -> Iterator[Delivery]:
    for unit, entries in units(decided.entries, ledger.booking).items():
        document = summary(ledger.name, unit, 1, entries, ledger.map, CHART, START)
        made = proceed(ledger.name, document, "", None)
        if made is not None:
            yield made


@dataclass(frozen=True, slots=True)
class Outcome:
    """What planning made of a case: documents, what is held, and what each document was made of."""

    recorder: Recorder
    held: tuple[Refusal, ...]
    deliveries: tuple[Delivery, ...] = ()
    refused: Item | None = None  # all of it is held, by a value that does not fit

    def spelled(self) -> tuple[list[Item], list[Item]]:
        """The documents and what is held, as cases write them."""
        held = casetext.held(self.held) + ([self.refused] if self.refused is not None else [])
        return [casetext.document(one) for one in self.deliveries], held


def _once(known: dict[_K, _T], key: _K, make: Callable[[], _T]) -> _T:
    if key not in known:
        known[key] = make()
    return known[key]


# ---------------------------------------------------------------- records


def landed(map: GatewayMap, shown: Shown) -> list[Record]:
    """A case's records as a run lands them: reduced to what the map keeps, redacted."""
    return land([raw for raw, _ in shown.records], map.keep)


def read(map: GatewayMap, shown: Shown, records: Sequence[Record]) -> Reading:
    """What a case's records mean; one that may not be kept is held without being read."""
    readable = [record for record in records if record.problem is None]
    held = tuple(Refusal(one.type, one.id, one.problem) for one in records if one.problem is not None)
    reading = map.read(shown.stream, shown.subject, readable)
    return Reading(reading.transactions, reading.facts, reading.people, (*reading.problems, *held))


def _unkept(shown: Shown, records: Sequence[Record], name: str) -> Iterator[Difference]:
    """What a case shows and nobody will ever have: a misspelled field would prove nothing."""
    for (raw, fields), record in zip(shown.records, records, strict=True):
        if record.problem is None:
            for path, node in cases.unkept(fields, merged(record.body, record.personal)):
                came = f"nothing: no rule of mappings/gateways/{name}.yaml reads it, and keep: does not list it"
                yield Difference(node.place, ("record", f"{raw.type} {raw.id}"), path, "a field that is kept", came)


def merged(one: Json, other: Json) -> Json:
    """Both halves of a record, so that what is personal stands in its place again."""
    if not isinstance(one, Mapping) or not isinstance(other, Mapping):
        return one if other is None else other
    return {name: merged(one.get(name), other.get(name)) for name in {**one, **other}}


def _deals(invoices: Sequence[Invoice], decided: Decided, rules: Rules) -> Iterator[Delivery]:
    for invoice in invoices:
        parts = [part for one in decided.applications for part in one.parts]
        paid = Money(sum(part.amount.minor for part in _of(invoice, parts)), invoice.total.currency)
        yield from invoice_documents(BOOKS, invoice, paid, rules, {})


def _of(invoice: Invoice, parts: Sequence[Part]) -> Iterator[Part]:
    return (part for part in parts if part.invoice == invoice.number)


# ---------------------------------------------------------------- the line that decided


def _by_gateway(one: Difference, blocks: Sequence[Explained]) -> str:
    what, name = one.about
    if what == "record":
        return ""
    for block in blocks:
        answers = {answer.field: answer for answer in block.answers}
        if what == "held" and f"{block.record.type} {block.record.id}" == name:
            refusing = next((answer for answer in block.answers if answer.refused), None)
            if refusing is not None:
                return _line(refusing)
        if what == block.what and name in (block.record.id, str(_value(answers, "id"))):
            answer = _answer(one.field, answers) or next((each for each in block.answers if each.refused), None)
            return _line(answer) if answer is not None else f"{_place(block.place)}, the block, which has no rule for it"
    return ""


def _value(answers: Mapping[str, Answer], name: str) -> object:
    return answers[name].value if name in answers else None


def _answer(path: str, answers: Mapping[str, Answer]) -> Answer | None:
    """The answer that stands for a field of a case: fees 1.amount is of fees, address.city of its own."""
    name = path.partition(" ")[0]
    names = (path.replace(".", " ", 1), name, name.partition(".")[0], name.removesuffix("s"))
    return next((answers[each] for each in names if each in answers), None)


def _line(answer: Answer) -> str:
    place = _place(answer.place) if answer.place is not None else ""
    path = f"{answer.record.partition(' ')[0]}: {answer.path}" if answer.record else ""
    return ", ".join(part for part in (place, path, answer.how) if part)


def _place(place: Place) -> str:
    return f"{place.file}:{place.line}"


def _by_target(one: Difference, map: TargetMap, outcome: Outcome) -> str:
    if one.about[0] == "held" and outcome.recorder.refused is not None:
        refusing = (told for told in map.explained(*outcome.recorder.refused) if told.refused)
        return next((_told(told) for told in refusing), "")
    if one.about[0] != "document" or not one.field:
        return ""
    delivery = next((each for each in outcome.deliveries if each.key == one.about[1]), None)
    if delivery is None or not one.field.startswith("fields"):
        return _BY_RULES if delivery is not None else ""
    happening = outcome.recorder.happening(delivery)
    if happening is None:
        return ""
    return _told_of(one, map.explained(delivery.kind, happening))


def _told_of(one: Difference, values: Sequence[Told]) -> str:
    """The value that a difference is about; in a list it is known by itself, since rules that say nothing leave no gap."""
    label = one.field.removeprefix("fields").removeprefix(".")
    head = label.partition(" ")[0]
    near = [told for told in values if told.field.partition(" ")[0] == head or told.field.startswith(f"{label}.")]
    exact = [told for told in near if str(told.value) == one.came] + [told for told in near if told.field == label]
    return _told((exact or near)[0]) if near else ""


def _told(told: Told) -> str:
    names = f"from {', '.join(told.names)}" if told.names else ""
    return ", ".join(part for part in (_place(told.place), names, told.how) if part)
