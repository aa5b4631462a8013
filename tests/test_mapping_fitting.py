"""A value is made to fit its field: cut between signs, in the target's own characters, and never without being counted."""

from __future__ import annotations

import unicodedata
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_mapping_words import target_map, write

from syncjob.chart import Chart
from syncjob.errors import Misconfigured, RecordRefused
from syncjob.mapping import TargetMap, load_target, texts
from syncjob.mapping.counting import Counts, What
from syncjob.model import Address, DocumentKind, Json, Role
from syncjob.money import Money
from syncjob.plan.told import Accounts

JOURNAL = DocumentKind.JOURNAL
ACCOUNTS = Accounts(Chart({("fees", "", ""): "4970", ("revenue", "", ""): "8400"}), "shop", "EUR")
ADDRESS = Address("1 Example Street", "Back yard", "12345", "Example City", "DE-BY", "DE")
PARTS = "{line1: Line1, line2: Line2, postal_code: PostalCode, city: City, subdivision: State, country: Country}"
FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"  # three people, one sign


def body(target: TargetMap, **happening: Any) -> dict[str, Json]:
    return target.body(JOURNAL, {"gross": Money(5, "EUR"), **happening})


def made(home: Path, line: str, field: str = "", **happening: Any) -> tuple[Json, dict[str, What]]:
    """The value of the line's field, and what was counted besides that a document was made."""
    target = target_map(home, line, field)
    value = body(target, **happening)[line.split(":")[0]]
    counted = target.counts.drain()
    assert counted.pop(("journal", What.READ)) == 1
    assert set(counted.values()) <= {1}
    return value, dict(counted.keys())


# ---------------------------------------------------------------- what is counted


@pytest.mark.parametrize(
    ("line", "happening", "value", "counted"),
    [
        ("payee: {from: description}", {"description": "fits"}, "fits", {}),
        ("payee: {from: description, cut: yes}", {"description": "more than twenty signs"}, "more than twenty si…", What.CUT),
        ("payee: {from: description}", {"description": "two\nlines"}, "two lines", What.REPLACED),
        ("payee: {from: description, default: none}", {}, "none", What.DEFAULTED),
        ("payee: {from: description, default: none}", {"description": "some"}, "some", {}),
        ("payee: {from: type, lookup: {a: b}, otherwise: c}", {"type": "z"}, "c", What.OTHERWISE),
        ("payee: {from: type, lookup: {a: b}, otherwise: c}", {"type": "a"}, "b", {}),
        ("payee: {from: type, lookup: {a: b}, default: d}", {}, "d", What.DEFAULTED),
        ("payee: {from: type, lookup: {a: b}}", {}, None, {}),
        ("payee: {from: customer_address, as: one_line, default: x}", {"customer_address": Address()}, "x", What.DEFAULTED),
    ],
)
def test_what_a_rule_changed_is_counted_under_its_field(
    line: str, happening: dict[str, Any], value: Json, counted: Any, tmp_path: Path
):
    wanted = {"journal.payee": counted} if counted else {}
    assert made(tmp_path, line, **happening) == (value, wanted)


def test_a_text_under_a_name_is_counted_under_that_name(tmp_path: Path):
    assert made(tmp_path, "meta: {why: {from: reason, cut: yes}}", reason="x" * 30)[1] == {"journal.meta.why": What.CUT}


def test_what_holds_a_document_is_counted_at_the_field_that_holds_it(tmp_path: Path):
    target = target_map(tmp_path, "payee: {from: description}")
    for _ in range(2):
        with pytest.raises(RecordRefused):
            body(target, description="more than twenty signs")
    assert target.counts.drain() == {("journal", What.READ): 2, ("journal.payee", What.HELD): 2}
    assert target.counts.drain() == {}


def test_the_counts_bear_the_name_of_the_map():
    counts = load_target("crm", "sqlite").counts
    assert isinstance(counts, Counts)
    assert counts.map == "crm/sqlite"


# ---------------------------------------------------------------- characters and lengths


def test_characters_that_a_target_does_not_take_become_others_and_are_counted(tmp_path: Path):
    field = 'payee: {type: text, most: 20, without: {":": "-", \'"\': "\'", "\t": ""}}'
    assert made(tmp_path, "payee: {from: description}", field, description='a: "b"') == (
        "a- 'b'",
        {"journal.payee": What.REPLACED},
    )
    assert made(tmp_path, "payee: {from: description}", field, description="a b") == ("a b", {})


def test_a_length_in_bytes_counts_bytes(tmp_path: Path):
    field = "payee: {type: text, most_bytes: 9}"
    assert made(tmp_path, "payee: {from: description}", field, description="ääää")[0] == "ääää"
    assert made(tmp_path, "payee: {from: description, cut: yes}", field, description="äääää")[0] == "äää…"
    with pytest.raises(RecordRefused, match="payee has 10 bytes, and 9 fit"):
        made(tmp_path, "payee: {from: description}", field, description="äääää")


@pytest.mark.parametrize(
    ("text", "most", "wanted"),
    [
        ("abcdef", 4, "abc…"),
        ("ab  ef", 4, "ab…"),
        ("abe\u0301f", 4, "ab…"),  # an e with its accent apart is one sign
        ("abe\u0301fg", 5, "abe\u0301…"),
        (f"ab{FAMILY}c", 5, "ab…"),
        (f"ab{FAMILY}cd", 8, f"ab{FAMILY}…"),
        ("a\U0001f44d\U0001f3fdbc", 3, "a…"),  # a thumb and the colour of its skin
        ("\U0001f1e9\U0001f1ea\U0001f1eb\U0001f1f7x", 4, "\U0001f1e9\U0001f1ea…"),  # two flags
        ("ab\u2764\ufe0fc", 4, "ab…"),  # a heart, and that it is a coloured one
        (FAMILY, 3, "…"),
        ("ab\u1112\u1161\u11abc", 5, "ab…"),  # one Korean syllable, written apart
    ],
)
def test_a_cut_never_takes_a_sign_apart(text: str, most: int, wanted: str):
    assert texts.cut(text, most, 0) == wanted


@given(text=st.text(min_size=1), most=st.integers(1, 12), most_bytes=st.integers(4, 30))
def test_whatever_is_cut_is_the_beginning_of_the_text_and_fits(text: str, most: int, most_bytes: int):
    text = texts.one_line(text)
    short = texts.cut(text, most, most_bytes)
    assert short.endswith("…")
    assert text.startswith(short[:-1])
    assert len(short) <= most
    assert len(short.encode()) <= most_bytes
    left_out = text[len(short) - 1 :]
    assert short == "…" or not left_out or unicodedata.category(left_out[0]) not in ("Mn", "Me", "Mc")


# ---------------------------------------------------------------- types


@pytest.mark.parametrize(
    ("type", "line", "happening", "wanted"),
    [
        ("{type: country}", "extra: {from: customer_country}", {"customer_country": "DE"}, "DE"),
        ("{type: country}", "extra: {from: customer_country}", {"customer_country": "Germany"}, "DE"),
        ("{type: country}", "extra: {from: customer_country, as: country_code3}", {"customer_country": "DE"}, "DEU"),
        ("{type: text}", "extra: {from: customer_country, as: country_name}", {"customer_country": "KR"}, "South Korea"),
        ("{type: subdivision}", "extra: {from: customer_subdivision}", {"customer_subdivision": "US-CA"}, "US-CA"),
        ("{type: text}", "extra: {from: customer_subdivision, as: subdivision_short}", {"customer_subdivision": "US-CA"}, "CA"),
        (
            "{type: text}",
            "extra: {from: customer_subdivision, as: subdivision_name}",
            {"customer_subdivision": "Bayern"},
            "Bayern",
        ),
        ("{type: phone}", "extra: {from: customer_phone}", {"customer_phone": "+49 30 1234"}, "+49 30 1234"),
        ("{type: flag}", "extra: {from: live}", {"live": False}, False),
        ("{type: flag}", "extra: {from: live}", {}, None),
        ("{type: flag}", "extra: {from: kind, lookup: {fee: yes}, otherwise: no}", {"kind": "payout"}, False),
        ("{type: direction}", "extra: {from: direction}", {"direction": "out"}, "out"),
        (
            "{type: direction, values: [RECEIVE, SPEND]}",
            "extra: {from: direction, lookup: {in: RECEIVE, out: SPEND}}",
            {"direction": "out"},
            "SPEND",
        ),
        ("{type: role}", "extra: {role: fees}", {"accounts": ACCOUNTS}, "4970"),
        ("{type: role}", "extra: {from: type, lookup: {sale: revenue}, otherwise: fees}", {"type": "sale"}, "8400"),
        ("{type: id, of: books customer}", "extra: {from: books_customer}", {"books_customer": "17"}, "17"),
        ("{type: id, of: books customer}", "extra: {from: books_customer, default: '1'}", {}, "1"),
        ("{type: text}", "extra: {from: customer_address, as: one_line}", {"customer_address": Address()}, None),
        (
            "{type: text}",
            "extra: {from: customer_address, as: one_line}",
            {"customer_address": ADDRESS},
            "1 Example Street, Back yard, 12345 Example City, DE-BY, DE",
        ),
        (
            f"{{type: address, parts: {PARTS}}}",
            "extra: {from: customer_address}",
            {"customer_address": ADDRESS},
            {
                "Line1": "1 Example Street",
                "Line2": "Back yard",
                "PostalCode": "12345",
                "City": "Example City",
                "State": "DE-BY",
                "Country": "DE",
            },
        ),
        (
            "{type: address, parts: {line1: a, postal_code: p, city: c, country: {field: l, as: country_name}}}",
            "extra: {from: customer_address}",
            {"customer_address": ADDRESS},
            {"a": "1 Example Street, Back yard", "p": "12345", "c": "Example City, DE-BY", "l": "Germany"},
        ),
        (
            f"{{type: address, parts: {PARTS}}}",
            "extra: {from: customer_address}",
            {"customer_address": Address(city="Example City")},
            {"City": "Example City"},
        ),
        (f"{{type: address, parts: {PARTS}}}", "extra: {from: customer_address}", {}, None),
    ],
)
def test_a_field_of_each_type(type: str, line: str, happening: dict[str, Any], wanted: Json, tmp_path: Path):
    assert made(tmp_path, line, f"extra: {type}", **{"accounts": ACCOUNTS, **happening})[0] == wanted


@pytest.mark.parametrize(
    ("type", "line", "happening", "says"),
    [
        (
            "{type: country}",
            "extra: {from: customer_country}",
            {"customer_country": "Narnia"},
            "extra is 'Narnia', which ISO 3166 does not list",
        ),
        (
            "{type: text}",
            "extra: {from: customer_country, as: country_name}",
            {"customer_country": "ZZ"},
            "the country is 'ZZ', which ISO 3166 does not list",
        ),
        (
            "{type: subdivision}",
            "extra: {from: customer_subdivision}",
            {"customer_subdivision": "Bayern"},
            "extra is 'Bayern', which is no code such as US-CA",
        ),
        (
            "{type: flag}",
            "extra: {from: live}",
            {"live": "yes"},
            "live is of type str, not flag: planning and the map disagree",
        ),
        (
            "{type: role}",
            "extra: {role: tax}",
            {"accounts": ACCOUNTS},
            "accounts.csv: no account plays the role tax for shop in EUR; add a line such as: tax,shop,EUR,CODE",
        ),
        ("{type: role}", "extra: {role: fees}", {}, "extra is the account of fees, and planning hands none over"),
        (
            "{type: address, parts: {line1: {field: a, most: 5}, postal_code: p, city: c, country: l}}",
            "extra: {from: customer_address}",
            {"customer_address": ADDRESS},
            "a has 27 characters, and 5 fit",
        ),
    ],
)
def test_a_value_that_its_type_does_not_know_is_held(
    type: str, line: str, happening: dict[str, Any], says: str, tmp_path: Path
):
    with pytest.raises(RecordRefused) as refused:
        made(tmp_path, line, f"extra: {type}", **happening)
    assert str(refused.value) == says


def test_the_parts_of_an_address_are_cut_where_the_map_says_so_and_counted(tmp_path: Path):
    field = "extra: {type: address, parts: {line1: {field: a, most: 5}, postal_code: p, city: c, country: l}}"
    value, counted = made(tmp_path, "extra: {from: customer_address, cut: yes}", field, customer_address=ADDRESS)
    assert value == {"a": "1 Ex…", "p": "12345", "c": "Example City, DE-BY", "l": "DE"}
    assert counted == {"journal.extra": What.CUT}


SIDED = "amount: {type: money, currency: currency, direction: side}"


def sided(home: Path, rule: str, **happening: Any) -> dict[str, Json]:
    """A document with an amount that the target writes without a sign."""
    target_map(home, "amount: {from: gross}", SIDED.replace(", direction: side", ""))
    path = home / "mappings/schemas/example.yaml"
    path.write_text(path.read_text().replace("amount: {type: money, currency: currency}", SIDED))
    path = home / "mappings/accounting/example.yaml"
    path.write_text(path.read_text() + f"      side: {rule}\n")
    return load_target("accounting", "example", home).body(JOURNAL, happening)


@pytest.mark.parametrize(
    ("gross", "direction", "amount", "side"),
    [(5, "in", "0.05", "in"), (-5, "out", "0.05", "out"), (0, None, "0.00", None), (0, "out", "0.00", "out")],
)
def test_an_amount_whose_direction_stands_beside_it_is_written_without_a_sign(
    gross: int, direction: str | None, amount: str, side: Json, tmp_path: Path
):
    body = sided(tmp_path, "{from: direction}", gross=Money(gross, "EUR"), direction=direction)
    assert (body["amount"], body["side"]) == (amount, side)


@pytest.mark.parametrize(
    ("rule", "direction", "says"),
    [
        ("{from: direction}", "in", "amount is -0.05 EUR, but the money went in"),
        ("{from: direction}", None, "amount is -0.05 EUR, but no direction stands beside it"),
        ("{when: {live: yes}, from: direction}", "out", "amount is -0.05 EUR, but no direction stands beside it"),
    ],
)
def test_a_sign_is_never_lost(rule: str, direction: str | None, says: str, tmp_path: Path):
    with pytest.raises(RecordRefused) as refused:
        sided(tmp_path, rule, gross=Money(-5, "EUR"), direction=direction)
    assert str(refused.value) == says


def test_the_direction_beside_an_amount_is_not_a_fixed_one(tmp_path: Path):
    with pytest.raises(Misconfigured, match="the direction of 'amount' is read from what happened, never written into a map"):
        sided(tmp_path, "{value: in}")


# ---------------------------------------------------------------- rules in a list


@pytest.mark.parametrize(
    ("happening", "wanted"),
    [
        ({"kind": "fee", "date": date(2026, 6, 1), "source": "shop"}, "Fees"),
        ({"kind": "payment", "date": date(2026, 1, 1), "customer_company": "Example Ltd"}, "Example Ltd"),
        ({"kind": "payment", "date": date(2025, 12, 31), "customer_company": "Example Ltd", "source": "shop"}, "shop"),
        ({"kind": "payment", "date": date(2026, 1, 1), "source": "shop"}, "shop"),
        ({"kind": "payment", "date": date(2026, 1, 1)}, None),
    ],
)
def test_the_first_rule_that_counts_and_has_a_value_wins(happening: dict[str, Any], wanted: Json, tmp_path: Path):
    rules = "[{when: {kind: [fee, payout]}, value: Fees}, {valid_from: 2026-01-01, from: customer_company}, {from: source}]"
    assert made(tmp_path, f"payee: {rules}", **happening)[0] == wanted


def test_a_rule_with_a_day_holds_a_document_that_has_none(tmp_path: Path):
    with pytest.raises(RecordRefused, match="counts from a day on, and this document has no date"):
        made(tmp_path, "payee: {valid_from: 2026-01-01, from: source}")


def test_conditions_on_flags_currencies_and_directions(tmp_path: Path):
    when = "{live: no, settled_currency: [EUR, USD], direction: in}"
    facts: dict[str, Any] = {"live": False, "settled_currency": "EUR", "direction": "in", "source": "shop"}
    assert made(tmp_path, f"payee: {{when: {when}, from: source}}", **facts)[0] == "shop"
    for odd in ({"live": True}, {"settled_currency": "JPY"}, {"direction": "out"}, {"direction": None}):
        assert made(tmp_path, f"payee: {{when: {when}, from: source}}", **{**facts, **odd})[0] is None


def test_an_amount_and_its_currency_may_have_several_rules(tmp_path: Path):
    amount = "amount: [{when: {direction: out}, from: fee}, {from: gross}]"
    facts: dict[str, Any] = {"fee": Money(1, "EUR"), "gross": Money(5, "EUR")}
    assert made(tmp_path, amount, **facts, direction="out")[0] == "0.01"
    assert made(tmp_path, amount, **facts, direction="in")[0] == "0.05"


def test_each_text_of_a_list_may_have_several_rules(tmp_path: Path):
    line = "links: [[{when: {kind: fee}, from: source}, {from: origin}], {from: invoice}]"
    assert made(tmp_path, line, kind="fee", source="shop", invoice="R-1")[0] == ["shop", "R-1"]
    assert made(tmp_path, line, kind="payment", origin="ch_1")[0] == ["ch_1"]


# ---------------------------------------------------------------- look-up tables


def test_a_lookup_may_be_a_table_and_says_which_line_to_add_to_it(tmp_path: Path):
    write(tmp_path, "tables/products.csv", ["product,payee,account", "bread,Bakery,8400", "cake,Confectioner,8401"])
    line = "payee: {from: type, lookup: products.payee}"
    assert made(tmp_path, line, type="cake")[0] == "Confectioner"
    with pytest.raises(RecordRefused) as refused:
        made(tmp_path, line, type="pie")
    assert str(refused.value) == "'pie' is not listed in mappings/tables/products.csv"
    assert refused.value.cure == (
        "add a line that begins with pie to mappings/tables/products.csv, then run: syncjob held retry"
    )


def test_another_table_makes_another_map(tmp_path: Path):
    digests = set()
    for payee in ("Bakery", "Confectioner"):
        write(tmp_path, "tables/products.yaml", [f"bread: {payee}"])
        digests.add(target_map(tmp_path, "payee: {from: type, lookup: products}").digest)
    assert len(digests) == 2


def test_roles_may_come_from_a_table(tmp_path: Path):
    write(tmp_path, "tables/products.yaml", ["bread: revenue", "box: fees"])
    line = "account: {from: type, lookup: products}"
    assert made(tmp_path, line, type="box", accounts=ACCOUNTS)[0] == "4970"


def test_an_unlisted_word_names_the_line_of_the_lookup(tmp_path: Path):
    with pytest.raises(RecordRefused) as refused:
        made(tmp_path, "stage: {from: state, lookup: {paid: won}}", state="open")
    assert refused.value.cure.startswith("add a line open: ... to the lookup in mappings/accounting/example.yaml:7, then")


def test_every_role_has_an_account_or_holds_its_document():
    assert [ACCOUNTS(Role.FEES), str(ACCOUNTS)] == ["4970", "the accounts of shop in EUR"]
