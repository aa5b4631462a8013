"""Everything that is kept comes back exactly as it was, whatever texts a gateway sends."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kept import (
    DAY,
    NOON,
    SHOP,
    application,
    delivery,
    eur,
    invoice,
    record,
    subject,
    undone,
)

from syncjob.errors import Problem
from syncjob.model import Action, DocumentKind, Entry, Line, Part, Record, Refusal, Remote, Role, Status, Stream
from syncjob.money import Money
from syncjob.ports import Balance, Identity
from syncjob.store import Plan, Progress, Store, Subject

LATER = NOON + timedelta(days=1)


# ---------------------------------------------------------------- everything comes back as it was

WORDS = st.text(st.characters(codec=None, exclude_categories=()), max_size=12) | st.sampled_from(["", "\0", "\u2400", "\ud800"])
WHOLE = st.integers(-(2**63) + 1, 2**63 - 1)
INSTANTS = st.datetimes(datetime(1970, 1, 1), datetime(9999, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis adds the zone
DATES = st.dates()
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=6,
)
BODIES = st.dictionaries(WORDS, JSON, max_size=4)
PROBLEMS = st.none() | st.builds(Problem, WORDS, WORDS, WORDS, WORDS)
AMOUNTS = st.builds(Money, WHOLE, st.sampled_from(["EUR", "JPY", "BHD"]))
QUICK = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@QUICK
@given(type=WORDS, id=WORDS, body=BODIES, personal=BODIES, person=WORDS, occurred=INSTANTS, subject_=WORDS, problem=PROBLEMS)
def test_any_record_comes_back_equal(store: Store, subject_: str, **told: Any) -> None:
    held = {"body": {}, "personal": {}, "person": ""} if told["problem"] else {}
    one = Record(**{**told, **held}, as_of=NOON, subject=subject_, digest=f"{told}")
    with undone(store):
        store.land(SHOP, "charges", [one], None, NOON)
        (story,) = store.stories([Subject("shop", subject_, 0)])
        assert story.records == (one,)


@QUICK
@given(
    key=WORDS,
    texts=st.lists(WORDS, min_size=5, max_size=5),
    effective=INSTANTS,
    day=DATES,
    amounts=st.lists(AMOUNTS, max_size=3),
    home=st.none() | AMOUNTS,
)
def test_any_entry_comes_back_equal(
    store: Store, key: str, texts: list[str], effective: datetime, day: date, amounts: Any, home: Any
) -> None:
    lines = [Line(Role.FEES, side, texts[0], texts[1], home, texts[2]) for one in amounts for side in (one, -one)]
    one = Entry(
        key=key,
        source=texts[3],
        subject=texts[4],
        origin=texts[0],
        kind=texts[1],
        effective=effective,
        date=day,
        lines=tuple(lines),
    )
    with undone(store):
        store.save(Plan((), entries=(one,)), NOON)
        store.save(Plan((), entries=(one,)), NOON)
        (story,) = store.stories([Subject(texts[3], texts[4], 0)])
        assert story.entries == (one,)


@QUICK
@given(
    texts=st.lists(WORDS, min_size=7, max_size=7),
    numbers=st.lists(st.integers(0, 2**62), min_size=4, max_size=4),
    instants=st.lists(st.none() | INSTANTS, min_size=2, max_size=2),
    words=st.tuples(st.sampled_from(DocumentKind), st.sampled_from(Action), st.sampled_from(Status)),
    body=BODIES,
    needs=st.dictionaries(WORDS, WORDS, max_size=3),
    day=st.none() | DATES,
    problem=PROBLEMS,
    remote=st.none() | st.builds(Remote, WORDS, WORDS),
    history=st.lists(WORDS, max_size=20).map(tuple),
)
def test_any_delivery_comes_back_equal(
    store: Store, texts: Any, numbers: Any, instants: Any, words: Any, day: Any, **told: Any
) -> None:
    one = delivery(
        "x",
        key=texts[0],
        target=texts[1],
        kind=words[0],
        action=words[1],
        status=words[2],
        digest=texts[2],
        facts=texts[3],
        call=texts[4],
        delivered_digest=texts[5],
        subject=texts[6],
        revision=numbers[0],
        generation=numbers[1],
        attempts=numbers[2],
        delivered_revision=numbers[3],
        due=instants[0],
        delivered_as_of=instants[1],
        date=day,
        **told,
    )
    with undone(store):
        store.save(Plan((Subject("shop", texts[6], 0),), deliveries=(one,)), NOON)
        assert store.lookup(texts[1], [texts[0]]) == {texts[0]: one}
        store.settle(texts[1], [], [one._replace(body={}, digest="other")], NOON)
        assert store.lookup(texts[1], [texts[0]]) == {texts[0]: one._replace(body={}, digest="other")}


@QUICK
@given(
    texts=st.lists(WORDS, min_size=6, max_size=6), parts=st.lists(st.builds(Part, WORDS, AMOUNTS), max_size=3), problem=PROBLEMS
)
def test_any_application_comes_back_equal(store: Store, texts: list[str], parts: list[Part], problem: Problem | None) -> None:
    movement, rule, evidence, runner_up, wanted, name = texts
    one = replace(application("x", *parts), movement=movement, rule=rule, evidence=evidence, runner_up=runner_up, wanted=wanted)
    one = replace(one, problem=problem)
    with undone(store):
        store.save(Plan((), applications=((Subject("shop", name, 0), one),)), NOON)
        (story,) = store.stories([Subject("shop", name, 0)])
        assert story.applications == (one,)


@pytest.mark.parametrize("odd", ["\0", "\ud800", "\u24000000", "\U0001f967 B\u00e4ckerei", "'; --", "%_\\"], ids=ascii)
def test_a_strange_text_comes_back_from_every_other_table(store: Store, odd: str) -> None:
    problem = Problem(odd, odd, odd, odd)
    store.save(Plan((subject(odd),), refusals=((subject(odd), Refusal(odd, odd, problem, bucket=odd)),)), NOON)
    assert store.refusals() == [(subject(odd), Refusal(odd, odd, problem, bucket=odd))]
    assert [one.name for one in store.search(f"payment:{odd}")] == [f"payment:{odd}"]
    billed = invoice(odd, customer=odd, email=odd, due=DAY)
    store.land_mirror("books", [billed], odd, NOON)
    assert (list(store.invoice_states("books")), store.mirror_cursor("books")) == ([(billed, eur(0))], odd)
    store.land(Stream(odd, odd, "live"), odd, [record(odd)], Progress(cursor=NOON, resume=odd), NOON)
    assert store.progress(odd, odd) == Progress(cursor=NOON, resume=odd)
    store.bind(odd, Identity(odd, odd, odd), odd, NOON)
    assert store.bindings() == {odd: (Identity(odd, odd, odd), odd)}
    store.bind_accounts(odd, {(odd, odd, odd): odd})
    assert store.bound_accounts(odd) == {(odd, odd, odd): odd}
    store.end_run(store.start_run(odd, NOON), NOON, 0, {odd: odd})
    assert [(run.kind, run.counts) for run in store.runs(1, odd)] == [(odd, {odd: odd})]
    store.set_fact(odd, [odd])
    assert store.get_fact(odd) == [odd]
    store.note_balances(odd, [Balance(odd, eur(1), NOON)])
    assert store.noted_balances(odd) == [Balance(odd, eur(1), NOON)]
    store.audit(NOON, odd, odd, {odd: odd})
    assert [(line.who, line.what, line.detail) for line in store.audit_log()] == [(odd, odd, {odd: odd})]
