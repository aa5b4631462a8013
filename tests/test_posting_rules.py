"""mappings/posting.yaml: whole or refused at its line, and what a tax rule and a refund of a sale come to."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from stories import BERLIN, NOON, application, charge, eur, movement, refund, sums

from syncjob import schemas, yamlfile
from syncjob.cli import main
from syncjob.errors import Misconfigured, RecordRefused
from syncjob.model import NO_NUMBER, Application, Fee, Kind, Part, Role
from syncjob.money import Money, Percent
from syncjob.posting import apart, apply, bill, post, tax_given_back, tax_of_sale
from syncjob.posting.rules import Accounts, Fees, PostingRules, Sales, Treatment, load, standard, usual
from syncjob.shipped import folder

SHIPPED = (folder() / "posting.yaml").read_text(encoding="utf-8")
WRONG = [  # what is written in place of what, the line's column, and the complaint
    ("  fee: {against: fees, fees: fees}\n", "", "'fee' is missing here; add a line fee: ..."),
    ("  topup: {against: bank", "  topup: {against: banc", "'banc' is not one of the words allowed here; did you mean 'bank'"),
    ("  topup: {against: bank, fees: fees}", "  topup: {against: bank}", "'fees' is missing here"),
    ("  topup: {against: bank, fees: fees}", "  topup: {against: clearing, fees: fees}", "clearing stands for a balance"),
    ("  topup: {against: bank, fees: fees}", "  topup: {against: bank, fees: bank}", "bank is no account of fees; write one"),
    ("  topup: {against: bank, fees: fees}", "  top_up: {against: bank, fees: fees}", "did you mean 'topup'"),
    ("  topup: {against: bank, fees: fees}", "  topup: {hold: a, against: bank}", "'against' is not known here"),
    ("  topup: {against: bank, fees: fees}", "  topup: {hold: ''}", "nothing is written here"),
    ("  payment: {against: unapplied", "  payment: {against: revenue", "a payment is posted against unapplied: what"),
    ("  reserve: {against: reserve", "  reserve: {against: suspense", "a reserve is posted against reserve: it"),
    ("  payout_paid: {settles: [payout, payout_failure], from: payouts_in_transit, to: bank}",
     "  payout_paid: {settles: [payout], from: bank, to: bank}",
     "a payout is posted against payouts_in_transit, so bank holds nothing of it to settle; write payouts_in"),
    ("from: disputed, to: dispute_loss", "from: disputed, to: clearing", "clearing stands for a balance of the"),
    ("from: disputed, to: dispute_loss", "from: disputed", "'to' is missing here"),
    ("  dispute_won: {no_entry: the money comes back by a movement of its own}", "  dispute_won: {no_entry: }", "nothing is"),
    ("  customer: {no_entry: it says who somebody is}\n", "", "'customer' is missing here"),
]  # fmt: skip
WRONG_TAX = [
    ("{rate: '19'}", "'name' is missing here"),
    ("{name: a, rate: '119'}", "rate is '119', not a plain number of percent from 0 to under 100; write percent, such as"),
    ("{name: a, rate: '-1'}", "rate is '-1'"),
    ("{name: a, rate: 19 %}", "rate is '19 %'"),
    ("{name: a, rate: '19', country: Germany}", "'Germany' is no country; write its two letters"),
    ("{name: a, rate: '19', since: 2026-02-30}", "'2026-02-30' is no calendar day; write it as 2026-01-31"),
    ("{name: a, rate: '19', since: 2026-02-01, until: 2026-02-01}", "the rule ends before it begins"),
    ("{name: a, rate: '19', place: DE}", "'place' is not known here"),
]


def rules(folder: Path, text: str) -> PostingRules:
    path = folder / "mappings/posting.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return load(folder)


@pytest.mark.parametrize(("old", "new", "why"), WRONG, ids=[why[:50] for _, _, why in WRONG])
def test_wrong_rules_are_refused_at_their_line(old: str, new: str, why: str, tmp_path: Path) -> None:
    assert old in SHIPPED
    with pytest.raises(Misconfigured) as refused:
        rules(tmp_path, SHIPPED.replace(old, new, 1))
    assert why in str(refused.value)
    place = str(refused.value).partition(": ")[0]
    line = int(place.split(":")[1])
    section = SHIPPED[: SHIPPED.index(old)].rsplit("\n", 1)[0].count("\n") + 2
    missing = "is missing here" in why and not new
    assert place.startswith("mappings/posting.yaml:")
    assert line == section or missing


@pytest.mark.parametrize(("rule", "why"), WRONG_TAX, ids=[rule for rule, _ in WRONG_TAX])
def test_a_wrong_tax_rule_is_refused_at_its_line(rule: str, why: str, tmp_path: Path) -> None:
    with pytest.raises(Misconfigured) as refused:
        rules(tmp_path, f"{SHIPPED}tax:\n  - {rule}\n")
    assert why in str(refused.value)
    assert f"posting.yaml:{SHIPPED.count(chr(10)) + 2}:" in str(refused.value)


def test_check_names_the_wrong_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", "--home", str(tmp_path)]) == 0
    assert main(["mapping", "edit", "posting", "--home", str(tmp_path)]) == 0
    path = tmp_path / "mappings/posting.yaml"
    path.write_text(path.read_text().replace("against: bank", "against: banc"), encoding="utf-8")
    capsys.readouterr()
    assert main(["check", "--home", str(tmp_path)]) == 2
    assert "mappings/posting.yaml:" in capsys.readouterr().err


def test_an_editor_knows_the_shipped_rules_for_right_and_most_wrong_ones_for_wrong() -> None:
    judge = Draft202012Validator(json.loads(schemas.text("posting.yaml")))
    assert judge.is_valid(plain(SHIPPED))
    wrong = [SHIPPED.replace(old, new, 1) for old, new, _ in WRONG]
    judged = [judge.is_valid(plain(text)) for text in wrong]
    assert judged.count(True) <= 2, [why for (_, _, why), valid in zip(WRONG, judged, strict=True) if valid]


def plain(text: str) -> object:
    def content(node: yamlfile.Node) -> object:
        if isinstance(node.content, str):
            return node.content
        if isinstance(node.content, tuple):
            return [content(one) for one in node.content]
        return {key: content(one) for key, one in node.content.items()}

    return content(yamlfile.load(text, "posting.yaml"))


# ---------------------------------------------------------------- what they come to


def here(*taxes: str, tmp: Path | None = None, **more: object) -> Treatment:
    """Sales recorded here, with these tax rules."""
    text = SHIPPED + ("tax:\n" + "".join(f"  - {one}\n" for one in taxes) if taxes else "")
    assert tmp is not None or not taxes
    loaded = rules(tmp, text) if tmp is not None else standard()
    return Treatment(loaded, sales=Sales.RECORDED_HERE, **more)  # type: ignore[arg-type]


def unmatched(amount: int = 119_00, rule: str = NO_NUMBER) -> Application:
    return replace(application("shop:txn_ch_1", ("", amount)), rule=rule)


def test_the_first_rule_that_fits_decides_by_country_product_and_day(tmp_path: Path) -> None:
    how = here(
        '{name: old, country: DE, rate: "16", since: 2020-07-01, until: 2021-01-01}',
        '{name: book, country: [DE, AT], product: book, rate: "7"}',
        '{name: usual, country: DE, rate: "19"}',
        tmp=tmp_path,
    )
    def tax(country: str, product: str = "", day: str = "2026-10-10") -> Money | None:
        return tax_of_sale(charge(119_00, product=product), unmatched(), how, country, date.fromisoformat(day))

    assert tax("DE") == eur(19_00)
    assert tax("DE", "book") == tax("AT", "book") == eur(7_79)
    assert tax("DE", day="2020-12-31") == eur(16_41)
    assert tax("DE", day="2021-01-01") == eur(19_00)
    assert tax("AT") is None
    assert tax("") is None


def test_what_the_gateway_says_of_the_tax_goes_before_every_rule(tmp_path: Path) -> None:
    how = here('{name: usual, rate: "19"}', tmp=tmp_path)
    stated = charge(119_00, taxes=(Fee("tax", eur(7_79)),))
    assert tax_of_sale(stated, unmatched(), how, "DE", NOON.date()) == eur(7_79)
    foreign = charge(119_00, taxes=(Fee("tax", Money(7_79, "USD")),))
    assert tax_of_sale(foreign, unmatched(), how, "DE", NOON.date()) is None


def test_only_a_payment_for_which_nothing_speaks_is_a_sale(tmp_path: Path) -> None:
    how = here('{name: usual, rate: "19"}', tmp=tmp_path)
    day = NOON.date()
    assert tax_of_sale(charge(119_00), unmatched(), how, "DE", day) is not None
    for rule in ("several numbers", "other currency", "decided by a person", "document number, over-paid"):
        assert tax_of_sale(charge(119_00), unmatched(rule=rule), how, "DE", day) is None
    part = Application(movement="shop:txn_ch_1", version=1, parts=(Part("INV-1", eur(100)), Part("", eur(5))), rule=NO_NUMBER)
    assert tax_of_sale(charge(105), part, how, "DE", day) is None
    assert tax_of_sale(refund(119_00), unmatched(-119_00), how, "DE", day) is None
    assert tax_of_sale(charge(119_00), unmatched(), usual(), "DE", day) is None


@given(data=st.data(), gross=st.integers(1, 10**9), rate=st.integers(0, 99_99))
def test_refunds_of_a_sale_give_back_its_tax_to_the_last_cent_however_it_is_split(
    data: st.DataObject, gross: int, rate: int
) -> None:
    tax = Percent(rate, 100).within(eur(gross))
    paid = apply(charge(gross), unmatched(gross), NOON.date(), tax)
    cuts = sorted(data.draw(st.lists(st.integers(0, gross), max_size=4)))
    parts = [b - a for a, b in zip([0, *cuts], [*cuts, gross], strict=True)]
    back = []
    for number, part in enumerate(parts):
        amount = eur(-part)
        given = tax_given_back(amount, paid, back)
        assert given is not None
        assert -part <= given.minor <= 0
        told = replace(application(f"shop:re_{number}", ("", -part)), rule="follows its payment")
        back.append(apply(refund(part, id=f"re_{number}"), told, NOON.date(), given))
    left = sums([paid, *back])
    assert left.get("tax", 0) == 0
    assert left.get("revenue", 0) + left.get("returns", 0) == 0


def test_a_failed_refund_puts_the_tax_where_it_was() -> None:
    paid = apply(charge(119_00), unmatched(), NOON.date(), eur(19_00))
    given = tax_given_back(eur(-59_50), paid, [])
    assert given == eur(-9_50)
    back = apply(refund(59_50), application("shop:re", ("", -59_50)), NOON.date(), given)
    assert tax_given_back(eur(59_50), paid, [back]) == eur(9_50)


def test_a_refund_of_what_was_no_sale_has_no_tax() -> None:
    paid = apply(charge(119_00), unmatched(), NOON.date(), None)
    assert tax_given_back(eur(-119_00), paid, []) is None
    assert tax_given_back(eur(-119_00), None, []) is None


def test_a_refund_is_booked_where_its_payment_was() -> None:
    elsewhere = Treatment(standard(), sales=Sales.RECORDED_ELSEWHERE)
    paid = post(charge(100_00), BERLIN, "EUR", elsewhere)
    assert sums([paid]) == {"clearing": 100_00, "control": -100_00}
    assert sums([post(refund(100_00), BERLIN, "EUR", usual(), paid)]) == {"clearing": -100_00, "control": 100_00}
    old = post(charge(100_00), BERLIN, "EUR", usual())
    assert sums([post(refund(100_00), BERLIN, "EUR", elsewhere, old)]) == {"clearing": -100_00, "unapplied": 100_00}


def test_a_fee_of_its_own_leaves_the_receipt_gross_and_moves_the_same_balance() -> None:
    how = Treatment(standard(), fees=Fees.OWN_EXPENSE, reverse_charge=Percent.of("19"))
    paid, cost = apart(post(charge(100_00, 3_20), BERLIN, "EUR", how), how)
    assert sums([paid]) == {"clearing": 100_00, "unapplied": -100_00}
    assert sums([cost]) == {"clearing": -3_20, "fees": 3_20, "fee_tax": 61, "tax": -61}
    assert cost.key == f"{paid.key}:fees"
    fee = post(movement(Kind.FEE, "", eur(-5_00)), BERLIN, "EUR", how)
    assert apart(fee, how) == (fee,)


def test_a_gateways_own_tax_on_its_fees_leaves_no_reverse_charge() -> None:
    how = Treatment(standard(), reverse_charge=Percent.of("19"))
    taxed = post(charge(fees=(Fee("stripe_fee", eur(2_00)), Fee("tax", eur(38)))), BERLIN, "EUR", how)
    assert "tax" not in sums([taxed])


def test_a_bill_takes_each_fee_from_prepaid_to_its_account() -> None:
    how = Treatment(standard(), fees=Fees.MONTHLY_BILL, reverse_charge=Percent.of("19"))
    paid = post(charge(100_00, 3_20), BERLIN, "EUR", how)
    assert sums([paid]) == {"clearing": 96_80, "fees_prepaid": 3_20, "unapplied": -100_00}
    month = {("EUR", "fees"): eur(3_20), ("JPY", "fees"): Money(7, "JPY"), ("EUR", "dispute_fees"): eur(15_00)}
    entry = bill("shop", date(2026, 10, 31), month, 2, BERLIN, how)
    assert entry.key == "shop:fees:2026-10:2"
    assert sums([entry]) == {
        "fees": 3_20, "dispute_fees": 15_00, "fees_prepaid": -18_20, "fee_tax": 3_46, "tax": -3_46,
        "fees JPY": 7, "fees_prepaid JPY": -7, "fee_tax JPY": 1, "tax JPY": -1,
    }  # fmt: skip
    assert entry.date == date(2026, 10, 31)
    odd = {("EUR", "fees"): eur(13), ("EUR", "dispute_fees"): eur(13)}  # 2.47 cents each, 4.94 together
    assert sums([bill("shop", date(2026, 10, 31), odd, 1, BERLIN, how)])["fee_tax"] == 5


def test_fees_that_a_rule_keeps_on_prepaid_wait_for_no_bill() -> None:
    how = Treatment(standard(), fees=Fees.MONTHLY_BILL)
    text = replace(standard(), movements={**standard().movements, Kind.PAYMENT: Accounts(Role.UNAPPLIED, Role.FEES_PREPAID)})
    entry = post(charge(100_00, 3_20), BERLIN, "EUR", replace(how, rules=text))
    assert [line.reference for line in entry.lines if line.role is Role.FEES_PREPAID] == [""]


def test_a_word_of_the_vendor_may_have_a_rule_of_its_own() -> None:
    how = usual()
    with pytest.raises(RecordRefused, match="share of others' sales"):
        post(movement(Kind.ADJUSTMENT, "", eur(5_00), type="application_fee"), BERLIN, "EUR", replace(how, gateway="stripe"))
    assert Role.SUSPENSE in {line.role for line in post(movement(Kind.ADJUSTMENT, "", eur(5_00)), BERLIN, "EUR", how).lines}
