"""How a delivery goes on: what is not known is never repeated blindly, and one idempotency key never meets two bodies."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stories import NOON, document, planned, promises

from syncjob.deliver import (
    Step,
    after,
    again,
    checked,
    confirm,
    hold_unknown,
    put,
    ready,
    reference,
    sending,
    settle_found,
    step,
    wait,
)
from syncjob.errors import Problem
from syncjob.model import Action, Delivery, Remote, Status, canonical, idempotency_key
from syncjob.plan.proceed import proceed, under_way
from syncjob.ports import Absent, Call, CannotTell, Delivered, Member, Present, Promises, Refused, TargetClass, Unknown, Unsent

SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)


def call_of(delivery: Delivery) -> Call:
    member = Member(delivery.key, delivery.revision, delivery.generation)
    key = idempotency_key([(delivery.key, delivery.revision, delivery.generation)])
    return Call(key, (member,), canonical(dict(delivery.body)).encode())


def sent(text: str = "A") -> Delivery:
    one = planned(text)
    return sending(one, call_of(one))


def delivered(text: str = "A") -> Delivery:
    return after(sent(text), Delivered("k", Remote("r1", "1")), NOON)


def changed(existing: Delivery, text: str) -> Delivery:
    new = proceed("books", document(text, as_of=existing.as_of), f"facts of {text}", existing)
    assert new is not None
    return new


# ---------------------------------------------------------------- unknown outcomes, class by class


@pytest.mark.parametrize(
    ("grade", "lifetime", "lag", "elapsed", "expected"),
    [
        ("A", 24 * HOUR, HOUR, timedelta(0), Step.REPLAY),
        ("A", timedelta(0), HOUR, timedelta(days=400), Step.REPLAY),
        ("A", 24 * HOUR, HOUR, -HOUR, Step.REPLAY),
        ("B", 24 * HOUR, HOUR, timedelta(0), Step.REPLAY),
        ("B", 24 * HOUR, HOUR, 12 * HOUR, Step.REPLAY),
        ("B", 24 * HOUR, HOUR, 12 * HOUR + SECOND, Step.WAIT),  # a replay may have left a moment ago
        ("B", 24 * HOUR, HOUR, 13 * HOUR - SECOND, Step.WAIT),
        ("B", 24 * HOUR, HOUR, 13 * HOUR, Step.FIND),
        ("B", 24 * HOUR, HOUR, timedelta(days=400), Step.FIND),
        ("B", 24 * HOUR, HOUR, -SECOND, Step.WAIT),  # the clock was set back: nobody knows how old the key is
        ("B", HOUR, 10 * HOUR, 5 * HOUR, Step.WAIT),
        ("C", timedelta(0), HOUR, timedelta(0), Step.WAIT),
        ("C", timedelta(0), HOUR, HOUR - SECOND, Step.WAIT),
        ("C", timedelta(0), HOUR, HOUR, Step.FIND),
        ("C", 24 * HOUR, HOUR, 2 * HOUR, Step.FIND),  # a key that it does not honour is worth nothing
        ("C", timedelta(0), timedelta(0), timedelta(0), Step.FIND),
        ("D", 24 * HOUR, timedelta(0), timedelta(0), Step.HOLD),
        ("D", 24 * HOUR, timedelta(0), timedelta(days=400), Step.HOLD),
    ],
)
def test_what_may_be_done_about_silence_depends_on_the_target_and_the_time(
    grade: str, lifetime: timedelta, lag: timedelta, elapsed: timedelta, expected: Step
) -> None:
    assert step(promises(grade, lifetime=lifetime, lag=lag), NOON, NOON + elapsed) is expected


def test_not_found_is_not_absent_until_the_lag_after_the_last_possible_replay_has_passed() -> None:
    doubtful = after(sent(), Unknown("k", "silence"), NOON)
    b = promises("B", lifetime=24 * HOUR, lag=HOUR)
    early = settle_found(doubtful, Absent("k", NOON + 13 * HOUR - SECOND), NOON, b, NOON + 14 * HOUR)
    assert (early.status, early.generation, early.due) == (Status.UNKNOWN, 1, NOON + 13 * HOUR)
    late = settle_found(doubtful, Absent("k", NOON + 13 * HOUR), NOON, b, NOON + 14 * HOUR)
    assert (late.status, late.generation, late.revision, late.call) == (Status.PLANNED, 2, 1, "")
    c = promises("C", lag=HOUR)
    assert settle_found(doubtful, Absent("k", NOON + HOUR - SECOND), NOON, c, NOON + HOUR).status is Status.UNKNOWN
    assert settle_found(doubtful, Absent("k", NOON + HOUR), NOON, c, NOON + HOUR).generation == 2


def test_a_search_that_cannot_tell_leaves_the_doubt_and_waits() -> None:
    told = settle_found(sent(), CannotTell("k", "503"), NOON, promises("C"), NOON + HOUR)
    assert (told.status, told.generation, told.due) == (Status.UNKNOWN, 1, NOON + HOUR + timedelta(minutes=1))


def test_what_is_found_is_adopted() -> None:
    body = sent().body
    told = settle_found(sent(), Present("k", (Remote("r7", "3"),), body), NOON, promises("C"), NOON)
    assert (told.status, told.remote, told.delivered_revision, told.call) == (Status.DELIVERED, Remote("r7", "3"), 1, "")


def test_what_is_found_with_other_money_is_held() -> None:
    told = settle_found(sent(), Present("k", (Remote("r7"),), {"amount": "48.26"}), NOON, promises("C"), NOON)
    assert told.status is Status.HELD
    assert told.problem is not None
    assert "amount was sent as '48.25', but the target holds '48.26'" in told.problem.why


def test_two_objects_under_one_reference_go_to_a_person_who_must_leave_none_of_them() -> None:
    doubles = (Remote("r1"), Remote("r2"))
    told = settle_found(sent(), Present("k", doubles), NOON, promises("C"), NOON)
    assert told.status is Status.HELD
    assert told.problem is not None
    assert "r1, r2" in told.problem.why
    assert "every one of them" in told.problem.cure  # a retry creates one
    updating = sending(changed(delivered(), "B"), call_of(changed(delivered(), "B")))
    kept = settle_found(updating, Present("k", doubles), NOON, promises("C"), NOON)
    assert kept.problem is not None
    assert "all but r1" in kept.problem.cure


@pytest.mark.parametrize("echo", [None, {}, {"text": "A"}, {"text": "A", "amount": "48.25"}])
def test_an_update_that_cannot_be_seen_in_what_is_found_is_sent_again(echo: dict[str, str] | None) -> None:
    update = changed(delivered("A"), "B")
    told = settle_found(sending(update, call_of(update)), Present("k", (Remote("r1", "9"),), echo), NOON, promises("C"), NOON)
    assert (told.status, told.action, told.revision, told.generation) == (Status.PLANNED, Action.UPDATE, 2, 2)
    assert told.remote == Remote("r1", "9")  # against the version that was found


def test_an_update_that_is_seen_in_what_is_found_is_delivered() -> None:
    update = changed(delivered("A"), "B")
    found = Present("k", (Remote("r1", "9"),), update.body)
    told = settle_found(sending(update, call_of(update)), found, NOON, promises("C"), NOON)
    assert (told.status, told.delivered_revision) == (Status.DELIVERED, 2)


# ---------------------------------------------------------------- answers


def test_an_answer_settles_a_delivery_and_clears_its_attempts() -> None:
    told = after(sent(), Delivered("k", Remote("r1", "1"), {"amount": "48.25"}), NOON)
    assert (told.status, told.remote, told.attempts, told.call, told.due) == (Status.DELIVERED, Remote("r1", "1"), 0, "", None)
    assert (told.delivered_revision, told.delivered_digest, told.delivered_as_of) == (1, told.digest, told.as_of)


def test_a_refusal_is_held_with_its_reason_and_keeps_its_key_number() -> None:
    told = after(sent(), Refused("k", Problem("k", "books", "the period is closed", "open it")), NOON)
    assert (told.status, told.generation, told.call) == (Status.HELD, 1, "")
    assert told.history == ("2026-10-06T12:00:00Z refused: the period is closed",)
    assert not under_way(told)


def test_silence_keeps_the_call_and_its_number() -> None:
    before = sent()
    told = after(before, Unknown("k", "reset by peer"), NOON)
    assert (told.status, told.call, told.generation) == (Status.UNKNOWN, before.call, 1)
    assert told.due == NOON + timedelta(minutes=1)


def test_what_was_not_sent_waits_as_long_as_the_target_asked() -> None:
    told = after(sent(), Unsent("k", "429", NOON + 3 * HOUR), NOON)
    assert (told.status, told.due, told.call, told.generation) == (Status.PLANNED, NOON + 3 * HOUR, "", 1)
    assert after(sent(), Unsent("k", "no route"), NOON).due == NOON + timedelta(minutes=1)


def test_what_never_left_is_tried_again_however_long_its_target_is_away():
    told = after(sent()._replace(attempts=400), Unsent("k", "no route"), NOON)
    assert (told.status, told.due, told.generation) == (Status.PLANNED, NOON + timedelta(hours=6), 1)


def test_waits_double_from_a_minute_to_six_hours() -> None:
    minutes = [int(wait(attempts) / timedelta(minutes=1)) for attempts in range(13)]
    assert minutes == [1, 1, 2, 4, 8, 16, 32, 64, 128, 256, 360, 360, 360]
    assert wait(10_000) == 6 * HOUR


@pytest.mark.parametrize(
    ("name", "value"), [("amount", "48.26"), ("currency", "USD"), ("tax", "1.00"), ("date", "2026-10-07"), ("account", "1001")]
)
def test_an_echo_that_differs_in_money_date_or_account_is_a_problem(name: str, value: str) -> None:
    body = {"amount": "48.25", "currency": "EUR", "tax": "0.00", "date": "2026-10-06", "account": "1000", "text": "A"}
    one = planned(body=body)
    assert confirm(one, body) is None
    problem = confirm(one, {**body, name: value})
    assert problem is not None
    assert name in problem.why
    assert confirm(one, {"text": "shortened"}) is None


def test_what_arrived_with_other_money_is_corrected_by_an_update_and_never_created_twice() -> None:
    wrong = after(sent(), Delivered("k", Remote("r1"), {"amount": "1.00"}), NOON)
    assert (wrong.status, wrong.delivered_revision) == (Status.HELD, 1)
    told = again(wrong, NOON, "retried by a person")
    assert (told.action, told.revision, told.generation, told.status) == (Action.UPDATE, 2, 1, Status.PLANNED)


def test_what_was_refused_is_sent_again_as_a_new_generation_of_the_same_action() -> None:
    refused = after(sent(), Refused("k", Problem("k", "books", "closed")), NOON)
    told = again(refused, NOON, "retried by a person")
    assert (told.action, told.revision, told.generation, told.attempts, told.problem) == (Action.CREATE, 1, 2, 0, None)


def test_history_is_kept_short() -> None:
    one = planned()
    for _ in range(50):
        one = again(one, NOON, "x")
    assert len(one.history) == 20


# ---------------------------------------------------------------- puts and calls


def test_a_document_waits_until_all_it_needs_has_been_delivered() -> None:
    child = planned(needs={"contact": "books:shop:cus_1:contact"})
    there = {"books:shop:cus_1:contact": Remote("r5")}
    assert not ready(child, {})
    assert ready(child, there)
    told = put(child, there)
    assert told.links == {"contact": Remote("r5")}
    assert (told.reference, len(told.reference)) == (reference(child.key), 26)


def test_the_reference_does_not_change_with_revision_or_generation() -> None:
    assert put(planned()._replace(revision=7, generation=3), {}).reference == put(planned(), {}).reference


def test_calls_must_hold_each_document_once_under_the_key_of_its_members() -> None:
    puts = [put(planned(key=key), {}) for key in ("k1", "k2")]
    calls = [call_of(planned(key=key)) for key in ("k1", "k2")]
    checked(calls, puts)
    for wrong in (calls[:1], [*calls, calls[0]], [calls[0], replace(calls[1], key="made up")]):
        with pytest.raises(AssertionError):
            checked(wrong, puts)


# ---------------------------------------------------------------- A to B to A


def test_news_before_the_first_sending_keeps_the_key_that_nobody_has_seen() -> None:
    told = changed(planned("A"), "B")
    assert (told.action, told.revision, told.generation, told.body["text"]) == (Action.CREATE, 1, 1, "B")
    assert changed(told, "A") == planned("A")._replace(facts="facts of A")


def test_news_after_an_attempt_that_was_not_carried_out_gets_a_key_of_its_own() -> None:
    tried = after(sent("A"), Unsent("k", "429"), NOON)
    told = changed(tried, "B")
    assert (told.action, told.revision, told.generation, told.attempts) == (Action.CREATE, 1, 2, 0)


def test_news_after_a_refusal_gets_a_key_of_its_own() -> None:
    told = changed(after(sent("A"), Refused("k", Problem("k", "books", "closed")), NOON), "B")
    assert (told.status, told.action, told.revision, told.generation) == (Status.PLANNED, Action.CREATE, 1, 2)


def test_a_to_b_to_a_before_b_was_sent_sends_nothing_and_never_uses_its_number_again() -> None:
    back = changed(changed(delivered("A"), "B"), "A")
    assert (back.status, back.delivered_revision, back.revision, back.remote) == (Status.DELIVERED, 2, 2, Remote("r1", "1"))
    further = changed(back, "C")
    assert (further.action, further.revision) == (Action.UPDATE, 3)


def test_a_to_b_to_a_after_b_was_sent_is_three_requests() -> None:
    a = delivered("A")
    b = changed(a, "B")
    b_there = after(sending(b, call_of(b)), Delivered("k", Remote("r1", "2")), NOON)
    back = changed(b_there, "A")
    assert [(one.action, one.revision, one.generation) for one in (a, b, back)] == [
        (Action.CREATE, 1, 1),
        (Action.UPDATE, 2, 1),
        (Action.UPDATE, 3, 1),
    ]
    assert back.status is Status.PLANNED


@pytest.mark.parametrize("status", [Status.SENDING, Status.UNKNOWN])
def test_what_is_under_way_is_left_alone(status: Status) -> None:
    one = sent()._replace(status=status)
    assert under_way(one)
    assert proceed("books", document("B", as_of=NOON + HOUR), "f", one) is None


def test_a_doubt_that_a_person_must_decide_is_not_decided_by_a_new_text() -> None:
    held = hold_unknown(sent(), NOON)
    assert held.status is Status.HELD
    assert under_way(held)
    assert proceed("books", document("B", as_of=NOON + HOUR), "f", held) is None
    decided = again(held, NOON, "retried by a person")
    assert not under_way(decided)
    assert changed(decided, "B").body["text"] == "B"


def test_old_news_never_replaces_newer_news() -> None:
    newer = planned("B", as_of=NOON + HOUR)
    assert proceed("books", document("A", as_of=NOON), "f", newer) is None


def test_the_same_said_later_makes_what_was_said_in_between_old_news() -> None:
    told = proceed("books", document("A", as_of=NOON + 2 * HOUR), "new facts", planned("A"))
    assert told is not None
    assert (told.as_of, told.revision) == (NOON + 2 * HOUR, 1)
    assert proceed("books", document("B", as_of=NOON + HOUR), "f", told) is None


def test_a_changed_map_alone_leaves_what_was_delivered_as_it_is() -> None:
    before = delivered("A")._replace(map="last year's")
    assert proceed("books", document("B", as_of=NOON), "facts of A", before, "this year's") is None
    correct = proceed("books", document("B", as_of=NOON), "facts of A", before, "this year's", correct=True)
    assert correct is not None
    assert (correct.action, correct.revision, correct.map) == (Action.UPDATE, 2, "this year's")
    news = proceed("books", document("B", as_of=NOON + HOUR), "facts of B", before, "this year's")
    assert news is not None
    assert (news.action, news.map) == (Action.UPDATE, "this year's")


def test_a_changed_map_counts_at_once_for_what_was_never_delivered() -> None:
    refused = after(sent("A"), Refused("k", Problem("k", "books", "too long")), NOON)._replace(map="the long one")
    for before in (refused, planned("A")._replace(map="the long one")):
        again = proceed("books", document("B", as_of=NOON), "facts of A", before, "the short one")
        assert again is not None
        assert (again.body["text"], again.map, again.action) == ("B", "the short one", Action.CREATE)


def test_the_same_said_again_changes_nothing() -> None:
    for one in (planned("A"), delivered("A"), after(sent("A"), Refused("k", Problem("k", "books", "closed")), NOON)):
        assert proceed("books", document("A"), "facts of A", one) is None


# ---------------------------------------------------------------- in general


class Vendor:
    """A target that remembers what each idempotency key came with, and what it holds."""

    def __init__(self) -> None:
        self.bodies: dict[str, bytes] = {}
        self.objects: list[str] = []

    def take(self, delivery: Delivery, *, works: bool, remembers: bool) -> None:
        call = call_of(delivery)
        assert self.bodies.setdefault(call.key, call.request) == call.request, "one idempotency key met two bodies"
        if works and not (remembers and call.key in self.objects):
            self.objects.append(call.key)


@given(st.sampled_from("ABCD"), st.integers(0, 2**32), st.integers(1, 40))
def test_no_sequence_of_news_and_misfortunes_gives_a_key_two_bodies_or_goes_back(grade: str, seed: int, length: int) -> None:
    dice = random.Random(seed)  # noqa: S311 - a story, not a secret
    offered: Promises = promises(grade, lifetime=2 * HOUR, lag=timedelta(minutes=30))
    vendor = Vendor()
    one: Delivery | None = None
    now = as_of = committed = NOON
    texts: dict[int, str] = {}
    for _ in range(length):
        before = one
        now += timedelta(minutes=dice.choice([1, 20, 45, 90]))
        what = dice.choice(["news", "news", "send", "send", "retry", "recover"])
        if what == "news":
            as_of += timedelta(minutes=dice.choice([-5, 1, 1]))
            one = proceed("books", document(dice.choice("ABC"), as_of=as_of), str(dice.random()), one) or one
        elif one is None:
            continue
        elif what == "retry" and one.status is Status.HELD:
            one = again(one, now, "retried by a person")
        elif what == "send" and one.status is Status.PLANNED:
            committed = now
            one = sending(one, call_of(one))
            fate = dice.choice(["delivered", "wrong", "refused", "silent", "lost", "unsent", "kill"])
            if fate != "kill":
                vendor.take(one, works=fate in ("delivered", "wrong", "silent"), remembers=False)
                one = after(one, _answer(fate), now)
        elif what == "recover" and one.status in (Status.SENDING, Status.UNKNOWN):
            one = _recovered(one, vendor, offered, committed, now, dice)
        if before is not None and one is not None:
            assert (one.revision, one.generation) >= (before.revision, before.generation)
            assert one.delivered_revision >= before.delivered_revision
            assert one.delivered_revision <= one.revision
        if one is not None and one.status is Status.DELIVERED:
            assert one.digest == one.delivered_digest
            assert texts.setdefault(one.revision, str(one.body["text"])) == one.body["text"]


def _answer(fate: str) -> Delivered | Refused | Unknown | Unsent:
    match fate:
        case "delivered":
            return Delivered("k", Remote("r1"))
        case "wrong":
            return Delivered("k", Remote("r1"), {"amount": "0.01"})
        case "refused":
            return Refused("k", Problem("k", "books", "closed"))
        case "unsent":
            return Unsent("k", "429")
    return Unknown("k", "silence")


def _recovered(
    one: Delivery, vendor: Vendor, offered: Promises, committed: object, now: object, dice: random.Random
) -> Delivery:
    match step(offered, committed, now):  # type: ignore[arg-type]
        case Step.REPLAY:
            vendor.take(one, works=True, remembers=offered.grade is TargetClass.B)
            return after(one, _answer(dice.choice(["delivered", "silent"])), now)  # type: ignore[arg-type]
        case Step.FIND:
            there = call_of(one).key in vendor.objects
            found = Present("k", (Remote("r1"),), one.body) if there or one.remote else Absent("k", now)  # type: ignore[arg-type]
            return settle_found(one, found, committed, offered, now)  # type: ignore[arg-type]
        case Step.HOLD:
            return hold_unknown(one, now)  # type: ignore[arg-type]
    return one
