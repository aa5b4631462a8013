"""Cases beside the maps: those that came along, and what they notice when a map says something else."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest
from case_bench import BOOKS, CRM, ROOT, SHIPPED, STRIPE, edited, line, own_case, run, said, tried

from syncjob import shipped
from syncjob.errors import Misconfigured
from syncjob.jobs.cases import Bench
from syncjob.mapping import cases
from syncjob.mapping.cases import CaseFile

ASKED_FOR = {  # of every map
    *("payment", "decline", "refund_full", "refund_partial", "dispute_opened", "dispute_won", "dispute_lost", "payout"),
    *("currency_without_decimals", "currency_with_three_decimals", "currency_isk", "guest", "name_in_another_script"),
    *("address_without_postcode", "fee", "refund_failed", "unlisted_type", "two_currencies"),
}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with maps and cases of its own, as far as a test writes some."""
    (tmp_path / "syncjob.yaml").write_text("")
    monkeypatch.chdir(tmp_path)
    return tmp_path


# ---------------------------------------------------------------- the cases that come along


def test_all_that_came_along_is_as_expected_without_a_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SYNCJOB_HOME", raising=False)
    assert run("mapping", "test") == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"{len(SHIPPED)} cases, {len(SHIPPED)} as expected, 0 not"


@pytest.mark.parametrize("map", cases.maps(None))
def test_every_map_has_the_cases_that_everybody_needs(map: str):
    assert ASKED_FOR - {file.name for file in SHIPPED if file.map == map} == set()


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: f"{file.map}/{file.name}")
def test_a_case_begins_with_its_sentence_and_shows_examples_only(file: CaseFile):
    text = file.path.read_text(encoding="utf-8")
    assert re.match(r"shows: \S.{10,130}\n", text)
    assert {
        one
        for one in re.findall(r"\b(?:txn|ch|py|re|du|po|cus|sub|in(?!_transit)|evt|tu|inpay|pi)_\w+", text)
        if "Example" not in one
    } == set()
    assert {one for one in re.findall(r"@[\w.]+", text) if one != "@example.com"} == set()
    assert max(map(len, text.splitlines())) <= 1000


def test_no_case_says_the_same_as_another():
    seen: dict[str, str] = {}
    for file in SHIPPED:
        shows = file.map + cases.read(file).shows
        assert seen.setdefault(shows, file.name) == file.name


# ---------------------------------------------------------------- a broken map


@dataclass(frozen=True)
class Break:
    """A map with one line that says something else, the case that notices, and what is said: about what, expected, came."""

    map: str
    case: str
    old: str
    new: str
    about: str
    expected: str
    came: str
    decided: str  # how the line begins that is named ("" where none can be)


BREAKS = [
    Break(
        *(STRIPE, "refund_partial", "        refund: refund\n", "        refund: adjustment\n"),
        *("movement txn_2Example, kind", "refund", "adjustment", "refund: adjustment"),
    ),
    Break(
        *(STRIPE, "payment", "    available: {from: available_on, as: unix_seconds}\n", ""),
        *("movement txn_1Example, available", "2026-11-05T00:00:00Z", "nothing", "- record: balance_transaction"),
    ),
    Break(
        *(STRIPE, "two_currencies", "    presented: {from: origin.amount, as: money, currency: origin.currency}\n", ""),
        *("movement txn_1Example, presented", "5000 JPY", "nothing", "- record: balance_transaction"),
    ),
    Break(
        *(STRIPE, "payment_from_before_balances", "      default: payments\n", "      default: issuing\n"),
        *("movement txn_1Example, bucket", "payments", "issuing", "default: issuing"),
    ),
    Break(
        *(STRIPE, "payment", "          - origin.metadata.invoice_number\n", ""),
        *("movement txn_1Example, references", "text INV-1001, place metadata.invoice_number", "nothing"),
        "- record: balance_transaction",
    ),
    Break(
        *(STRIPE, "decline", "[failure_message, outcome.seller_message, failure_code]", "[failure_code, failure_message]"),
        *("fact ch_1Example, reason", "Your card was declined.", "card_declined", "reason: {from: [failure_code"),
    ),
    Break(
        *(STRIPE, "payout", "        paid: payout_paid\n", "        paid: payout_failed\n"),
        *("fact po_1Example, kind", "payout_paid", "payout_failed", "paid: payout_failed"),
    ),
    Break(
        *(
            STRIPE,
            "guest",
            "    email: {from: [billing_details.email, receipt_email]}\n",
            "    email: {from: billing_details.email}\n",
        ),
        "person guest-ke4tlrgs3mws3gcn74owqol7ny, email",
        *("guest@example.com", "nothing", "email: {from: billing_details.email}"),
    ),
    Break(
        *(STRIPE, "customer_in_a_state", "      line2: {from: address.line2}\n", "      line2: {from: description}\n"),
        *("person cus_1Example, address.line2", "Unit 2", "nothing", "line2: {from: description}"),
    ),
    Break(
        *(BOOKS, "payment", "payee: {from: [customer_name, customer_email, source]", "payee: {from: [source, customer_name]"),
        *("document books:shop:txn_1Example:receipt, fields.payee", "Example Bakery", "shop", "payee: {from: [source"),
    ),
    Break(
        *(BOOKS, "refund_partial", "{from: [description, invoices]}], between: ", "{from: type}], between: "),
        "document books:shop:txn_2Example:refund, fields.narration",
        *("Refund: Order 17", "Refund: refund", "narration: {join: [{from: kind, as: words}, {from: type}]"),
    ),
    Break(
        *(BOOKS, "payout", "      links: [{from: [payout, origin]}]\n", "      links: [{from: ledger_id}]\n"),
        *(
            "document books:shop:txn_9Example:transfer, fields.links 1",
            "po_1Example",
            "txn_9Example",
            "links: [{from: ledger_id}]",
        ),
    ),
    Break(
        *(BOOKS, "payout", "        payout: {from: payout}\n", ""),
        *("document books:shop:txn_9Example:transfer, fields.meta.payout", "po_1Example", "nothing", ""),
    ),
    Break(
        *(CRM, "payment", "      net: {from: net, same_currency: yes}\n", ""),
        "document crm:shop:pi_1Example:payment, fields.net",
        *("96.80", "nothing", ""),
    ),
    Break(
        *(
            CRM,
            "name_in_another_script",
            "name: {from: [customer_name, customer_company]",
            "name: {from: customer_company, default: unknown",
        ),
        *("document crm:shop:cus_1Example:contact, fields.name", "例示パン店", "unknown", "name: {from: customer_company"),
    ),
]


@pytest.mark.parametrize("broken", BREAKS, ids=lambda one: f"{one.case}: {one.about.partition(', ')[2]}")
def test_a_broken_map_fails_a_case_at_its_line(broken: Break, home: Path):
    edited(home, broken.map, broken.old, broken.new)
    trial = tried(home, f"{broken.map}/{broken.case}")
    found = {said(finding): finding for finding in trial.findings}
    finding = found[broken.about, broken.expected, broken.came]
    if broken.decided:
        assert line(finding.decided, home).startswith(broken.decided)
    else:
        assert finding.decided == ""
    where = finding.difference.place
    said_there = line(f"{where.file}:{where.line}", ROOT)
    assert said_there.endswith(broken.expected.rpartition(" ")[2]) or broken.expected.partition(" ")[0] in said_there


WORD = re.compile(r" {8,}([a-z_]+): \S.*")  # a line of a look-up in the gateway's map


RULES = {"as", "from", "record", "where"}  # stand as deep as words do


def telling(map: str) -> list[tuple[int, str]]:
    """The lines of a shipped map that say what things mean, not only what is kept; words of look-ups are looked for below."""
    text = (shipped.folder() / f"{map}.yaml").read_text(encoding="utf-8")
    lines = [(number, line) for number, line in enumerate(text.splitlines()) if line.strip() and line.strip()[0] != "#"]
    begin = next(number for number, line in lines if line.startswith(("movements:", "documents:")))
    return [(number, line) for number, line in lines if number > begin and (map != STRIPE or not WORD.fullmatch(line))]


def test_every_word_of_a_look_up_stands_in_a_case():
    map_ = (shipped.folder() / f"{STRIPE}.yaml").read_text(encoding="utf-8")
    words = {found[1] for line in map_.splitlines() if (found := WORD.fullmatch(line))}
    shown = "".join(file.path.read_text(encoding="utf-8") for file in SHIPPED if file.map == STRIPE)
    assert len(words) > 80
    assert {word for word in words - RULES if not re.search(rf": {word}[,}}\n]", shown)} == set()


SAYS_NOTHING_NEW = {"    date: effective"}  # what is meant where nothing is said


@pytest.mark.parametrize("map", [STRIPE, BOOKS, CRM])
def test_no_line_of_a_shipped_map_can_be_left_out_unnoticed(map: str, home: Path):
    text = (shipped.folder() / f"{map}.yaml").read_text(encoding="utf-8").splitlines()
    known = [file for file in SHIPPED if file.map == map]
    path = home / f"mappings/{map}.yaml"
    path.parent.mkdir(parents=True)
    unnoticed = []
    for number, line_ in telling(map):
        path.write_text("\n".join([*text[:number], *text[number + 1 :]]) + "\n", encoding="utf-8")
        bench = Bench(home)
        try:
            if all(bench.trial(file, SHIPPED).passed for file in known):
                unnoticed.append(line_)
        except Misconfigured:
            pass  # the map is refused as a whole: even better
    assert set(unnoticed) - SAYS_NOTHING_NEW == set()


def test_what_no_map_decides_is_said_to_be_the_posting_rules(home: Path):
    own_case(home, f"{BOOKS}/payment", "Assets:Receivable  -100.00 EUR", "Assets:Receivable  -99.00 EUR")
    (finding,) = tried(home, f"{BOOKS}/payment").findings
    assert said(finding)[1:] == ("Assets:Receivable  -99.00 EUR", "Assets:Receivable  -100.00 EUR")
    assert finding.decided == "the posting rules and the chart, by what the gateway's map has read"


# ---------------------------------------------------------------- the page about it


@pytest.mark.parametrize("name", [f"{STRIPE}/fee", f"{BOOKS}/fee"])
def test_the_page_shows_cases_as_they_stand(name: str):
    page = (ROOT / "docs/mapping.md").read_text(encoding="utf-8")
    assert (shipped.folder() / f"cases/{name}.yaml").read_text(encoding="utf-8") in page
