"""The opening balance: what a gateway already held at the cut-over instant, and what is found out about it afterwards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import cast

from syncjob.errors import Misconfigured, Problem
from syncjob.jobs import matches
from syncjob.jobs.approving import approved
from syncjob.jobs.job import Job, Source, Tally
from syncjob.jobs.nightly import bucket_sums, gateway_leg, settling_of
from syncjob.jobs.planning import save_entries
from syncjob.model import Entry, Json
from syncjob.moment import from_text, iso
from syncjob.money import Money
from syncjob.plan import Rules
from syncjob.ports import Balance
from syncjob.posting import open_balance
from syncjob.reconcile import opening_balances
from syncjob.store import Store

_INSTANT = timedelta(microseconds=1)
_NEVER_MONEY = ("customer", "event")


def is_open(store: Store, source: str) -> bool:
    """Whether a source's books were opened."""
    return store.get_fact(f"opening:{source}") is not None


def opening_of(store: Store, source: str) -> dict[str, Money]:
    """Bucket and currency, as in "payments:EUR" -> what the books were opened with; empty before that."""
    known = cast("Mapping[str, object] | None", store.get_fact(f"opening:{source}"))
    opened = cast("Mapping[str, int]", known["opened"]) if known is not None else {}
    return {key: _named(key, minor)[1] for key, minor in sorted(opened.items())}


def with_starts(rules: Rules, store: Store, sources: Sequence[str]) -> Rules:
    """The rules, with the cut-over of each source that a backfill has moved back, and with what people decided."""
    moved = {name: text for name in sources if isinstance(text := store.get_fact(f"start:{name}"), str)}
    earlier = {name: from_text(text) for name, text in moved.items()}
    ladder = matches.with_people(rules.ladder, store)
    return replace(rules, earlier=earlier, ladder=ladder, approved=approved(store))


def refuse_moved_start(job: Job) -> None:
    """Movements and opening balance hang together by the cut-over: only a backfill moves it. Raises Misconfigured."""
    for name in (one.name for one in job.sources if one.name not in job.rules.earlier):
        known = cast("Mapping[str, object] | None", job.store.get_fact(f"opening:{name}"))
        if known is not None and known["since"] != iso(job.rules.start):
            raise Misconfigured(
                f"syncjob.yaml: start is {iso(job.rules.start)}, but the books of {name} were opened at {known['since']}; "
                "put that back; to begin earlier, run: syncjob backfill --before-start"
            )


def open_books(job: Job, source: Source, tally: Tally, *, look_again: bool = False) -> None:
    """Bring in, once, what the gateway already held at the cut-over instant.

    `look_again`: a movement of before that statement may have come to light since; then the opening is corrected by what it
    brought, for the statement of then still holds. So it is, at once, where the cut-over was moved back.
    """
    known = cast("Mapping[str, object] | None", job.store.get_fact(f"opening:{source.name}"))
    if known is None:
        _open(job, source, job.store.noted_balances(source.name), tally)
    elif look_again or known["since"] != iso(job.rules.since(source.name)):
        _correct(job, source, known, tally)


def _open(job: Job, source: Source, stated: Sequence[Balance], tally: Tally) -> None:
    if not stated or not _is_read(job, source, stated[0].as_of) or _is_torn(job, source.name, stated[0].as_of):
        return  # the next run asks for another statement
    balances = _opening(job, source.name, stated)
    if not balances:
        tally.problems.append(_untold(source.name, "the next nightly run opens the books"))
        return
    start, zone = job.rules.since(source.name), job.rules.zone
    with job.store.together():
        opened = [open_balance(source.name, b.place, b.amount, start, zone) for b in balances if b.amount.minor]
        save_entries(job, source.name, opened)
        _note(job, source.name, stated, {_name(b.place, b.amount.currency): b.amount.minor for b in balances}, 1)


def _is_read(job: Job, source: Source, as_of: datetime) -> bool:
    """Whether every movement up to a statement was read; after half a window the other half would be taken for older money."""
    feeds = [feed for feed in source.gateway.feeds if feed.posts]
    known = [job.store.progress(source.name, feed.name) for feed in feeds]
    return all(one.resume is None and one.seen_at is not None and one.seen_at >= as_of - settling_of(source) for one in known)


def _is_torn(job: Job, source: str, as_of: datetime) -> bool:
    """Whether money moved in the very second of a statement: nobody can tell if that is in it, and an opening is for ever."""
    first = next(job.store.movements(source, as_of), None)
    return first is not None and first[1] == as_of


def _untold(source: str, then: str) -> Problem:
    why = "a held record has no readable amount, so what the gateway held before cannot be told"
    return Problem("the opening balance", source, why, f"resolve it (syncjob held list); {then}")


def _opening(job: Job, source: str, stated: Sequence[Balance]) -> list[Balance]:
    # A record held without a price may be a movement whose content was not kept: its money is no opening balance.
    as_of = stated[0].as_of
    refused = [refusal for _, refusal in job.store.refusals(source) if refusal.type not in _NEVER_MONEY]
    start = job.rules.since(source)
    in_time = [one for one in refused if one.effective is None or start <= one.effective <= as_of]
    return opening_balances(stated, bucket_sums(job, source, as_of), in_time)


def _correct(job: Job, source: Source, known: Mapping[str, object], tally: Tally) -> None:
    name, zone = source.name, job.rules.zone
    as_of, before, start = from_text(str(known["as_of"])), from_text(str(known["since"])), job.rules.since(name)
    opened = dict(cast("Mapping[str, int]", known["opened"]))
    version = cast(int, known["version"]) + 1
    # What the gateway left out was a balance of nothing; its opening moves with the others.
    said = {**dict.fromkeys(opened, 0), **cast("Mapping[str, int]", known["stated"])}
    stated = [Balance(*_named(key, minor), as_of) for key, minor in said.items()]
    balances = _opening(job, name, stated)
    if not balances and start != before:
        tally.problems.append(_untold(name, "the next nightly run moves it to the earlier start"))
    if not balances:
        return
    entries: list[Entry] = []
    told: dict[str, str] = {}
    if start == before:
        balances = [_without_that_second(job, source, balance) for balance in balances]
    for balance in balances:
        key = _name(balance.place, balance.amount.currency)
        sofar = Money(opened.get(key, 0), balance.amount.currency)
        opened[key] = sofar.minor + balance.amount.minor
        if balance.amount.minor:
            told[key] = f"{sofar} -> {sofar + balance.amount}"
        part = f":{version}"
        if start == before and balance.amount.minor:
            entries.append(open_balance(name, balance.place, balance.amount, start, zone, part))
        elif start != before:  # it moves to the earlier day: what stood at the later one is taken back there
            moved = (open_balance(name, balance.place, sofar + balance.amount, start, zone, part),
                     open_balance(name, balance.place, -sofar, before, zone, f"{part}:undo"))  # fmt: skip
            entries += [entry for entry in moved if any(line.amount.minor for line in entry.lines)]
    if not told and start == before:
        return
    with job.store.together():
        save_entries(job, name, entries)
        _note(job, name, stated, opened, version)
        what = f"the opening balance of {name} was corrected"
        job.store.audit(job.now(), "syncjob", what, {**told, "at": iso(start), "before": iso(before)})


def _without_that_second(job: Job, source: Source, balance: Balance) -> Balance:
    """The correction without what moved in the very second of the old statement, where the newest statement ties with that.

    Nobody can tell from the second alone whether the old one had it already; tonight's balance can.
    """
    key = (balance.place, balance.amount.currency)
    upto, before = (bucket_sums(job, source.name, at).get(key, 0) for at in (balance.as_of, balance.as_of - _INSTANT))
    legs = [leg for leg in gateway_leg(job, source) if (leg.place, leg.currency) == key]
    without = balance.amount + Money(upto - before, balance.amount.currency)
    ties = upto != before and any(leg.theirs is not None and leg.unexplained == without for leg in legs)
    return replace(balance, amount=without) if ties else balance


def _name(place: str, currency: str) -> str:
    return f"{place}:{currency}"


def _named(key: str, minor: int) -> tuple[str, Money]:
    place, _, currency = key.rpartition(":")
    return place, Money(minor, currency)


def _note(job: Job, source: str, stated: Sequence[Balance], opened: Mapping[str, int], version: int) -> None:
    said = {_name(balance.place, balance.amount.currency): balance.amount.minor for balance in stated}
    as_of: datetime = stated[0].as_of
    since = job.rules.since(source)
    fact: dict[str, Json] = {"as_of": iso(as_of), "since": iso(since), "stated": said, "opened": dict(opened)}
    job.store.set_fact(f"opening:{source}", {**fact, "version": version})
