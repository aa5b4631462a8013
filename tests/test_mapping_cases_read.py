"""A case by itself: how it is read, what it may be wrong in, and what people are told."""

from __future__ import annotations

import json
import re
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from case_bench import BOOKS, CRM, ROOT, SHIPPED, STRIPE, edited, line, own_case, run, said, tried
from hypothesis import given
from hypothesis import strategies as st

from syncjob import shipped, yamlfile
from syncjob.mapping import cases, casetext
from syncjob.mapping.comparing import normal

GOLDEN = Path(__file__).parent / "fixtures/mapping/failing_cases.txt"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with maps and cases of its own, as far as a test writes some."""
    (tmp_path / "syncjob.yaml").write_text("")
    monkeypatch.chdir(tmp_path)
    return tmp_path


# ---------------------------------------------------------------- what a case may be wrong in


def test_an_expected_sentence_of_a_held_record_is_compared_too(home: Path):
    own_case(home, f"{STRIPE}/unlisted_type", "climate_mystery', which", "climate_misery', which")
    (finding,) = tried(home, f"{STRIPE}/unlisted_type").findings
    assert said(finding)[0] == "held balance_transaction txn_8Example, why"
    assert line(finding.decided, ROOT) == "from: [reporting_category, type]"


def test_a_record_that_is_held_unexpectedly_says_why(home: Path):
    edited(home, STRIPE, "        topup: topup\n", "")
    (missing, unexpected) = tried(home, f"{STRIPE}/topup").findings
    assert said(missing) == ("movement txn_6Example, ", "this movement", "nothing")
    why = "type is 'topup', which mappings/gateways/stripe.yaml does not list"
    assert said(unexpected)[1:] == ("nothing", f"record balance_transaction txn_6Example, why {why}, amount 200.00 EUR")
    assert line(unexpected.decided, home) == "from: [reporting_category, type]"


def test_a_record_that_should_be_held_and_is_not(home: Path):
    edited(
        home,
        STRIPE,
        "        risk_reserved_funds: reserve\n",
        "        risk_reserved_funds: reserve\n        climate_mystery: reserve\n",
    )
    found = [said(finding) for finding in tried(home, f"{STRIPE}/unlisted_type").findings]
    assert ("held balance_transaction txn_8Example, ", "this held record", "nothing") in found
    assert any(about == "movement txn_8Example, " and expected == "nothing" for about, expected, _ in found)


def test_movements_and_documents_too_many_and_too_few_are_named(home: Path):
    own_case(home, f"{STRIPE}/fee", "id: txn_5Example\n      kind", "id: txn_6Example\n      kind")
    (finding,) = tried(home, f"{STRIPE}/fee").findings  # one is missing and one too many: they are compared
    assert said(finding) == ("movement txn_5Example, id", "txn_6Example", "txn_5Example")
    own_case(home, f"{BOOKS}/decline", "documents: []", "documents:\n  - {kind: receipt, key: books:x}")
    (finding,) = tried(home, f"{BOOKS}/decline").findings
    assert said(finding) == ("document books:x, ", "this document", "nothing")
    text = (shipped.folder() / f"cases/{BOOKS}/fee.yaml").read_text()
    own_case(home, f"{BOOKS}/fee", text[text.index("documents:") :], "documents: []\n")
    (finding,) = tried(home, f"{BOOKS}/fee").findings
    assert said(finding)[:2] == ("document books:shop:txn_5Example:expense, ", "nothing")


@pytest.mark.parametrize(
    ("case", "old", "new", "place", "why"),
    [
        (f"{STRIPE}/fee", "subject:", "subjekt:", "2:1", "'subjekt' is not known here; did you mean 'subject'?"),
        (f"{STRIPE}/fee", "seen: 2026", "seen: the 2026", "3:7", "is not ISO 8601"),
        (f"{STRIPE}/fee", "  - type: balance", "  - typ: balance", "5:5", "'typ' is not known here; did you mean 'type'?"),
        (f"{STRIPE}/fee", "      kind: fee", "      kin: fee", "22:7", "'kin' is not known here; did you mean 'kind'?"),
        (f"{STRIPE}/fee", "means:", "meens:", "19:1", "'meens' is not known here; did you mean 'means'?"),
        (f"{STRIPE}/fee", "seen:", "mode: x\nseen:", "3:7", "'x' is not one of the words allowed here"),
        (
            f"{BOOKS}/payment",
            "    total: 100.00 EUR",
            "    total: 100,00 EUR",
            "7:12",
            "amount is '100,00', not a plain decimal",
        ),
        (f"{BOOKS}/payment", "from: gateways/stripe/payment", "from: gateways/stripe/paiment", "", "at from: is no case"),
        (
            f"{BOOKS}/payment",
            "from: gateways/stripe/payment",
            "from: payment",
            "2:7",
            "'payment' is no case of a gateway's map",
        ),
        (f"{BOOKS}/payment", "from: gateways/stripe/payment", "seen: 2026-11-06T06:00:00Z", "1:1", "'gateway' is missing here"),
        (f"{BOOKS}/payment", "invoices:", "seen: 2026-11-06T06:00:00Z\ninvoices:", "2:7", "that from: names says seen already"),
        (
            f"{BOOKS}/payment",
            "  - kind: receipt",
            "  - kindly: receipt",
            "11:5",
            "'kindly' is not known here; did you mean 'kind'?",
        ),
    ],
)
def test_a_case_that_cannot_be_read_names_its_line(case: str, old: str, new: str, place: str, why: str, home: Path):
    own_case(home, case, old, new)
    trial = tried(home, case)
    assert not trial.passed
    assert f"mappings/cases/{case}.yaml:{place}" in trial.unreadable
    assert why in trial.unreadable


def test_a_misspelled_field_of_a_record_proves_nothing_and_is_named(home: Path):
    own_case(home, f"{STRIPE}/payment", "      description: Order 17", "      descripton: Order 17")
    found = [said(finding) for finding in tried(home, f"{STRIPE}/payment").findings]
    why = "nothing: no rule of mappings/gateways/stripe.yaml reads it, and keep: does not list it"
    assert ("record charge ch_1Example, descripton", "a field that is kept", why) in found


def test_what_the_case_does_not_write_must_not_come(home: Path):
    own_case(home, f"{STRIPE}/payment", "      customer: cus_1Example\n      references", "      references")
    (finding,) = tried(home, f"{STRIPE}/payment").findings
    assert said(finding) == ("movement txn_1Example, customer", "nothing", "cus_1Example")
    assert line(finding.decided, ROOT) == "- {from: [origin.customer, charge.customer], as: id}"
    own_case(home, f"{BOOKS}/payment", "        customer: cus_1Example\n", "")
    (finding,) = tried(home, f"{BOOKS}/payment").findings
    assert said(finding)[:2] == ("document books:shop:txn_1Example:receipt, fields.meta.customer", "nothing")
    own_case(home, f"{BOOKS}/payment", "      - Expenses:Gateway:Fees  3.20 EUR\n", "")
    assert [said(finding)[0].rpartition(", ")[2] for finding in tried(home, f"{BOOKS}/payment").findings] == [
        "postings 2",
        "postings 3",
    ]


def test_a_targets_case_may_show_its_records_itself(home: Path):
    shown = (shipped.folder() / f"cases/{STRIPE}/fee.yaml").read_text(encoding="utf-8")
    records = "gateway: stripe\n" + shown[shown.index("subject:") : shown.index("means:")]
    own_case(home, f"{BOOKS}/fee", "from: gateways/stripe/fee\n", records)
    assert tried(home, f"{BOOKS}/fee").passed
    own_case(home, f"{BOOKS}/fee", "from: gateways/stripe/fee\n", records.replace("gateway: stripe", "gateway: strpe"))
    assert "fee.yaml: there is no map gateways/strpe; known: gateways/stripe, " in tried(home, f"{BOOKS}/fee").unreadable


def test_the_day_follows_the_zone_of_the_case(home: Path):
    own_case(home, f"{BOOKS}/payment_at_a_month_end", "documents:", "zone: Europe/London\ndocuments:")
    (finding,) = tried(home, f"{BOOKS}/payment_at_a_month_end").findings
    assert said(finding)[1:] == ("2026-11-01", "2026-10-31")


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("100 EUR", "100.00 EUR", True),
        ("100 EUR", "100.01 EUR", False),
        ("5000 JPY", "5000.00 JPY", True),
        ("5000 JPY", "5000.50 JPY", False),
        ("2026-11-03T11:15:00+01:00", "2026-11-03T10:15:00Z", True),
        ("2026-11-03T10:15:00Z", "2026-11-03T10:15:01Z", False),
        ("Assets:Bank        1 EUR", "Assets:Bank  1.00 EUR", True),
        ("Assets:Bank  1 EUR", "Assets:Cash  1 EUR", False),
        ("Order 17", "order 17", False),
        ("100.0 ABC", "100.00 ABC", False),
    ],
)
def test_what_means_the_same_is_the_same(one: str, other: str, same: bool):
    assert (normal(one) == normal(other)) is same


def test_digits_are_numbers_in_a_record_and_text_in_quotes():
    text = "a: 5\nb: '5'\nc: true\nd: 'true'\ne: null\nf: 007\ng: -5\nh: 1.50\ni: NO\nj: [1, a]\nk: {l: 2}\n"
    told = {name: cases.value(node) for name, node in yamlfile.load(text).mapping().items()}
    assert told == {
        **{"a": 5, "b": "5", "c": True, "d": "true", "e": None, "f": "007", "g": -5, "h": "1.50", "i": "NO"},
        **{"j": [1, "a"], "k": {"l": 2}},
    }


TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x85"), max_size=30).filter(
    lambda text: not any(unicodedata.category(letter) == "Cc" and letter not in "\n\t" for letter in text)
)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**18), 10**18)
    | TEXTS
    | st.sampled_from(["5", "-7", "007", "true", "null", "~", "a: b"]),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text("abc-_: #'", min_size=1, max_size=5), inner, max_size=8)
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.text("abcdef_", min_size=1, max_size=6), VALUES, min_size=1, max_size=4))
def test_whatever_is_written_as_a_record_is_read_back_the_same(fields: dict[str, Any]):
    text = "\n".join(casetext.lines({"records": [{"fields": fields}]})) + "\n"
    (record,) = yamlfile.load(text).mapping()["records"].sequence()
    assert cases.value(record.mapping()["fields"]) == fields


# ---------------------------------------------------------------- in a home


def test_the_homes_own_case_wins_and_a_further_one_is_tried(home: Path, capsys: pytest.CaptureFixture[str]):
    own_case(home, f"{STRIPE}/fee", "-11.90 EUR", "-11.91 EUR")
    own_case(home, f"{STRIPE}/fee", "Stripe charges", "Stripe really charges", called="our_fee")
    assert run("mapping", "test", STRIPE) == 2
    number = sum(file.map == STRIPE for file in SHIPPED) + 1
    out = capsys.readouterr().out
    assert out.splitlines()[-1] == f"{number} cases, {number - 1} as expected, 1 not"
    assert "mappings/cases/gateways/stripe/fee.yaml:28" in out
    assert run("mapping", "test", "--case", "our_fee") == 0
    assert capsys.readouterr().out == "1 case, 1 as expected, 0 not\n"


def test_what_a_failing_case_says(home: Path, capsys: pytest.CaptureFixture[str]):
    edited(home, STRIPE, "        refund: refund\n", "        refund: adjustment\n")
    edited(
        home, BOOKS, "payee: {from: [customer_name, customer_email, source]", "payee: {from: [customer_email, customer_name]"
    )
    own_case(home, f"{CRM}/refund_partial", "documents:", "dokuments:")
    assert run("mapping", "test", "--case", "refund_partial") == 2
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines()[:-2])) <= 80
    for folder, word in ((home, "HOME"), (shipped.folder(), "SHIPPED")):
        out = out.replace(str(folder), word)
    out = re.sub(r"(mappings/\w+/\w+\.yaml):\d+", r"\1:N", out)  # the maps may grow; the cases are these
    assert out == GOLDEN.read_text(encoding="utf-8")


def test_a_program_reads_the_same_as_json(home: Path, capsys: pytest.CaptureFixture[str]):
    edited(home, STRIPE, "        refund: refund\n", "        refund: adjustment\n")
    assert run("mapping", "test", STRIPE, "--json") == 2
    told = {one["case"]: one for one in json.loads(capsys.readouterr().out)}
    assert told["payment"]["as_expected"] is True
    (difference,) = told["refund_full"]["differences"]
    assert {name: difference[name] for name in ("what", "id", "field", "expected", "came")} == {
        **{"what": "movement", "id": "txn_2Example", "field": "kind", "expected": "refund", "came": "adjustment"}
    }


def test_a_wrong_map_is_refused_as_check_refuses_it(home: Path, capsys: pytest.CaptureFixture[str]):
    edited(home, STRIPE, "        refund: refund\n", "        refund: refnd\n")
    assert run("mapping", "test") == 2
    said_ = capsys.readouterr()
    assert said_.out == ""
    assert "'refnd' is not one of the words allowed here; did you mean 'refund'?" in said_.err


def test_a_map_of_the_home_that_has_no_case_is_named(home: Path, capsys: pytest.CaptureFixture[str]):
    (home / "mappings/crm").mkdir(parents=True)
    (home / "mappings/crm/acme.yaml").write_text("target: acme\n")
    assert run("mapping", "test") == 0
    assert "crm/acme has no case yet; write one, or run: syncjob mapping test --keep ID" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("gateways/strpe",), "'gateways/strpe' is no map; did you mean 'gateways/stripe'?"),
        (("--case", "refund_parial"), "there is no case 'refund_parial'; did you mean 'refund_partial'?"),
        (("--keep", "ch_1", "--case", "x"), "--keep writes a case of every map"),
        (("--home", "/nowhere/at/all"), "is no home, it has no syncjob.yaml"),
    ],
)
def test_what_cannot_be_tried_is_refused(arguments: tuple[str, ...], why: str, home: Path, capsys: pytest.CaptureFixture[str]):
    assert run("mapping", "test", *arguments) == 2
    assert why in capsys.readouterr().err
