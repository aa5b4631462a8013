"""What a payment is for: an invoice that it names, once and clearly; else the customer's credit. Never more than is open."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stories import NOON, books, charge, eur, invoice, movement, refund, refund_failure, shares

from syncjob.matching import PLAIN, Books, match, normal
from syncjob.model import Application, Kind, Reference, Transaction
from syncjob.money import Money
from syncjob.posting import claim


def decide(*transactions: Transaction, mirror: Books, known: Sequence[Application] = ()) -> dict[str, list[tuple[str, int]]]:
    """What each movement of one subject is for, by its ledger id without the prefix."""
    new = match(transactions, known, mirror)
    latest = {one.movement: one for one in (*known, *new)}
    return {movement.removeprefix("shop:txn_"): shares(one) for movement, one in latest.items()}


def test_a_payment_pays_the_invoice_it_names() -> None:
    (told,) = match([charge(100_00, names="INV-1")], [], books(invoice()))
    assert shares(told) == [("INV-1", 100_00)]
    assert (told.rule, told.version, told.wanted) == ("document number", 1, "INV-1")
    assert told.evidence == "metadata.invoice_number names INV-1"


@pytest.mark.parametrize("spelling", ["inv-1", " INV-1 ", "#INV-1", "I NV-1"])
def test_spelling_does_not_matter_and_the_books_own_number_is_written(spelling: str) -> None:
    assert decide(charge(names=spelling), mirror=books(invoice())) == {"ch_1": [("INV-1", 100_00)]}


@pytest.mark.parametrize("other", ["INV-10", "INV1", "INV-01", "XINV-1"])
def test_a_number_that_only_resembles_another_is_another(other: str) -> None:
    assert decide(charge(names=other), mirror=books(invoice())) == {"ch_1": [("", 100_00)]}


def test_an_under_paid_invoice_stays_open_for_the_rest() -> None:
    mirror = books(invoice(total=100_00))
    assert decide(charge(60_00, names="INV-1"), mirror=mirror) == {"ch_1": [("INV-1", 60_00)]}
    assert mirror.open(invoice(), "another") == eur(40_00)


def test_what_is_paid_too_much_becomes_the_customers_credit() -> None:
    (told,) = match([charge(120_00, names="INV-1")], [], books(invoice()))
    assert (shares(told), told.rule) == ([("INV-1", 100_00), ("", 20_00)], "document number, over-paid")


def test_a_payment_that_names_nothing_or_nothing_known_is_credit_and_remembers_what_it_wants() -> None:
    (nothing,) = match([charge()], [], books(invoice()))
    assert (shares(nothing), nothing.rule, nothing.wanted) == ([("", 100_00)], "no number named", "")
    (unknown,) = match([charge(names="inv-9")], [], books(invoice()))
    assert (shares(unknown), unknown.rule, unknown.wanted) == ([("", 100_00)], "number not found", "INV-9")


def test_two_candidates_are_never_chosen_between() -> None:
    mirror = books(invoice("INV-1"), invoice("INV-2"))
    (two_known,) = match([charge(names=["INV-1", "INV-2"])], [], mirror)
    assert (shares(two_known), two_known.rule, two_known.runner_up) == ([("", 100_00)], "several numbers", "INV-1, INV-2")
    (one_known,) = match([charge(names=["INV-1", "INV-9"])], [], mirror)  # the strange number vetoes
    assert shares(one_known) == [("", 100_00)]
    twins = books(invoice("INV-1", id="a"), invoice("inv-1", id="b"))
    assert decide(charge(names="INV-1"), mirror=twins) == {"ch_1": [("", 100_00)]}


def test_the_same_number_found_in_two_places_is_one_number() -> None:
    twice = (Reference("INV-1", "metadata.invoice_number"), Reference("inv-1", "description"))
    assert decide(charge(references=twice), mirror=books(invoice())) == {"ch_1": [("INV-1", 100_00)]}


def test_an_equal_amount_without_the_number_decides_nothing() -> None:
    assert decide(charge(100_00), mirror=books(invoice(total=100_00))) == {"ch_1": [("", 100_00)]}


def test_euro_never_pay_a_dollar_invoice() -> None:
    (told,) = match([charge(names="INV-1")], [], books(invoice(currency="USD")))
    assert (shares(told), told.rule, told.runner_up) == ([("", 100_00)], "other currency", "INV-1")


def test_what_the_customer_saw_pays_an_invoice_in_that_currency() -> None:
    paid = charge(92_00, names="INV-1", presented=Money(100_00, "USD"))
    (told,) = match([paid], [], books(invoice(currency="USD")))
    assert [(part.invoice, part.amount) for part in told.parts] == [("INV-1", Money(100_00, "USD"))]


@pytest.mark.parametrize("open", [0, -5_00])
def test_an_invoice_that_asks_for_nothing_gets_nothing(open: int) -> None:
    assert decide(charge(names="INV-1"), mirror=books(invoice(open=open))) == {"ch_1": [("", 100_00)]}


def test_what_an_earlier_run_applied_is_no_longer_open() -> None:
    mirror = Books([invoice()], {"INV-1": [("shop:txn_ch_0", eur(70_00))]})
    assert decide(charge(names="INV-1"), mirror=mirror) == {"ch_1": [("INV-1", 30_00), ("", 70_00)]}


def test_a_payment_is_not_in_its_own_way_when_it_is_planned_again() -> None:
    mirror = books(invoice())
    known = match([charge(names="INV-1")], [], mirror)
    assert match([charge(names="INV-1")], known, mirror) == []
    again = Books([invoice()], {"INV-1": [("shop:txn_ch_1", eur(100_00))]})
    assert match([charge(names="INV-1")], known, again) == []


def test_an_invoice_that_comes_late_gets_its_payment_as_a_new_version() -> None:
    known = match([charge(names="INV-1")], [], books())
    (late,) = match([charge(names="INV-1")], known, books(invoice()))
    assert (late.version, shares(late)) == (2, [("INV-1", 100_00)])


def test_numbers_are_asked_for_as_they_are_compared_and_only_of_what_is_applied() -> None:
    asked = [charge(names=[" inv-1", "#7"]), movement(Kind.FEE, "", eur(-1), references=(Reference("INV-9", "x"),))]
    assert PLAIN.numbers(asked) == ["INV-1", "7"]
    assert normal(" #in v-1 ") == "INV-1"


# ---------------------------------------------------------------- refunds


def test_a_refund_of_an_over_paid_invoice_gives_back_the_credit_first_then_opens_the_invoice() -> None:
    mirror = books(invoice())
    paid, back = charge(120_00, names="INV-1"), refund(50_00)
    assert decide(paid, back, mirror=mirror)["re_1"] == [("", -20_00), ("INV-1", -30_00)]
    assert mirror.open(invoice(), "another") == eur(30_00)


def test_a_second_refund_goes_on_where_the_first_ended() -> None:
    paid = charge(120_00, names="INV-1")
    first, second = refund(50_00), refund(70_00, id="re_2", effective=NOON + timedelta(days=2))
    told = decide(paid, first, second, mirror=books(invoice()))
    assert told["re_2"] == [("INV-1", -70_00)]


def test_a_refund_that_fails_puts_back_the_invoice_first_and_then_the_credit() -> None:
    mirror = books(invoice())
    told = decide(charge(120_00, names="INV-1"), refund(50_00), refund_failure(50_00), mirror=mirror)
    assert told["re_1_failed"] == [("INV-1", 30_00), ("", 20_00)]
    assert mirror.open(invoice(), "another") == eur(0)


def test_a_bank_debit_that_fails_after_it_was_paid_opens_its_invoice_again() -> None:
    mirror = books(invoice())
    failed = movement(Kind.PAYMENT_FAILURE, "ch_1", eur(-100_00), id="txn_failed", effective=NOON + timedelta(days=5))
    assert decide(charge(names="INV-1"), failed, mirror=mirror)["failed"] == [("INV-1", -100_00)]
    assert mirror.open(invoice(), "another") == eur(100_00)


def test_more_given_back_than_was_paid_is_owed_by_the_customer() -> None:
    told = decide(charge(100_00, names="INV-1"), refund(130_00), mirror=books(invoice()))
    assert told["re_1"] == [("INV-1", -100_00), ("", -30_00)]


def test_a_refund_in_the_second_of_its_payment_follows_it_whatever_their_ids() -> None:
    paid = charge(100_00, names="INV-1", id="ch_1")
    back = refund(40_00, id="a_first_in_the_alphabet", effective=paid.effective)
    assert decide(back, paid, mirror=books(invoice()))["a_first_in_the_alphabet"] == [("INV-1", -40_00)]


def test_a_refund_of_a_payment_from_before_the_cut_over_waits_as_the_customers_credit() -> None:
    (told,) = match([refund(40_00)], [], books(invoice()))
    assert (shares(told), told.rule) == ([("", -40_00)], "payment before the cut-over")


def test_a_refund_never_takes_from_another_payment_of_the_same_subject() -> None:
    one = charge(100_00, names="INV-1")
    other = charge(100_00, names="INV-2", id="ch_2", subject="payment:ch_1")
    back = refund(130_00)
    told = decide(one, other, back, mirror=books(invoice("INV-1"), invoice("INV-2")))
    assert told["re_1"] == [("INV-1", -100_00), ("", -30_00)]


def test_a_refund_in_another_currency_than_its_payment_is_never_mixed_with_it() -> None:
    paid = charge(92_00, names="INV-1", presented=Money(100_00, "USD"))
    (_, told) = match([paid, refund(92_00)], [], books(invoice(currency="USD")))
    assert ([(part.invoice, part.amount) for part in told.parts]) == [("", eur(-92_00))]
    assert told.rule == "other currency than its payment"


def test_when_the_payment_finds_its_invoice_late_its_refund_moves_with_it() -> None:
    story = [charge(100_00, names="INV-1"), refund(40_00)]
    known = match(story, [], books())
    assert [shares(one) for one in known] == [[("", 100_00)], [("", -40_00)]]
    late = match(story, known, books(invoice()))
    assert [(one.version, shares(one)) for one in late] == [(2, [("INV-1", 100_00)]), (2, [("INV-1", -40_00)])]


def test_what_a_refund_opened_and_somebody_else_paid_is_not_taken_from_the_refunded_payment() -> None:
    mirror = books(invoice())
    refunded = [charge(100_00, names="INV-1"), refund(100_00)]
    known = match(refunded, [], mirror)
    assert decide(charge(100_00, names="INV-1", id="ch_2"), mirror=mirror) == {"ch_2": [("INV-1", 100_00)]}
    assert match(refunded, known, mirror) == []


def test_an_over_paid_invoice_that_was_given_back_stays_as_it_is_at_the_next_planning() -> None:
    mirror = books(invoice())
    story = [charge(120_00, names="INV-1"), refund(120_00)]
    assert match(story, match(story, [], mirror), mirror) == []


def test_what_the_customer_paid_elsewhere_in_the_meantime_is_not_applied_twice() -> None:
    known = match([charge(100_00, names="INV-1")], [], books(invoice()))
    mirror = Books([invoice(open=40_00)], {"INV-1": [("shop:txn_ch_1", eur(100_00))]})
    assert decide(charge(100_00, names="INV-1"), mirror=mirror, known=known) == {"ch_1": [("INV-1", 40_00), ("", 60_00)]}


def test_what_comes_to_nothing_is_as_open_as_before() -> None:
    mirror = Books([invoice()], {"INV-1": [("shop:txn_ch_0", eur(10_00))]})
    known = match([charge(30_00, names="INV-1")], [], mirror)
    taken = match([charge(50_00, names="INV-1")], known, mirror)
    mirror.restore([one.movement for one in taken], known)
    assert mirror.open(invoice(), "another") == eur(60_00)
    mirror.restore(["shop:txn_ch_1"], [])
    assert mirror.open(invoice(), "another") == eur(90_00)


# ---------------------------------------------------------------- in general

INVOICES = [invoice(f"INV-{n}", total) for n, total in enumerate([100_00, 50_00, 1, 77_77], 1)]


@st.composite
def histories(draw: st.DrawFn) -> list[list[Transaction]]:
    """Several subjects: a payment each, and what became of it."""
    subjects = []
    for number in range(draw(st.integers(1, 7))):
        id = f"ch_{number}"
        at = NOON + timedelta(minutes=draw(st.integers(0, 3)))
        minor = draw(st.integers(0, 150_00))
        names = draw(st.sampled_from([(), ("INV-1",), ("INV-2",), ("INV-3",), ("INV-1",), ("INV-9",), ("INV-1", "INV-2")]))
        subject = [charge(minor, id=id, names=names, effective=at)]
        for turn in range(draw(st.integers(0, 3))):
            back = draw(st.integers(1, 80_00))
            subject.append(refund(back, of=id, id=f"re_{number}_{turn}", effective=at + timedelta(seconds=turn)))
            if draw(st.booleans()):
                failed = at + timedelta(seconds=draw(st.integers(0, 9)))
                subject.append(refund_failure(back, of=id, id=f"re_{number}_{turn}", effective=failed))
        subjects.append(draw(st.permutations(subject)))
    return subjects


def run(subjects: Sequence[list[Transaction]], batches: Sequence[int]) -> dict[str, Application]:
    """Match subjects in order, with a fresh mirror for each batch that knows what the store would tell it."""
    known: dict[str, Application] = {}
    left = list(subjects)
    for size in (*batches, len(left)):
        batch, left = left[:size], left[size:]
        applied: dict[str, list[tuple[str, Money]]] = {}
        for one in known.values():
            for part in one.parts:
                if part.invoice:
                    applied.setdefault(part.invoice, []).append((one.movement, part.amount))
        mirror = Books(INVOICES, applied)
        for subject in batch:
            keys = {f"shop:{one.id}" for one in subject}
            known |= {one.movement: one for one in match(subject, [one for key, one in known.items() if key in keys], mirror)}
    return known


@given(histories())
def test_the_parts_of_an_application_are_always_the_whole_claim(subjects: list[list[Transaction]]) -> None:
    told = run(subjects, [])
    for one in (one for subject in subjects for one in subject):
        parts = told[f"shop:{one.id}"].parts
        assert sum(part.amount.minor for part in parts) == claim(one).minor
        assert all(part.amount.minor for part in parts)


@given(histories(), st.randoms())
def test_never_more_than_is_open_is_applied_whatever_the_order(subjects: list[list[Transaction]], random: object) -> None:
    random.shuffle(subjects)  # type: ignore[attr-defined]
    told = run(subjects, [])
    for one in INVOICES:
        brought = sum(part.amount.minor for app in told.values() for part in app.parts if part.invoice == one.number)
        assert 0 <= brought <= one.open.minor


@given(histories(), st.lists(st.integers(0, 3), max_size=5))
def test_however_payments_are_split_into_batches_they_end_up_the_same(
    subjects: list[list[Transaction]], sizes: list[int]
) -> None:
    assert run(subjects, sizes) == run(subjects, []) == run(subjects, [1] * len(subjects))


@given(histories(), st.randoms())
def test_matching_again_in_any_order_changes_nothing(subjects: list[list[Transaction]], random: object) -> None:
    mirror = books(*INVOICES)
    known = {subject[0].subject: match(subject, [], mirror) for subject in subjects}
    random.shuffle(subjects)  # type: ignore[attr-defined]
    for subject in subjects:
        assert match(subject, known[subject[0].subject], mirror) == []
