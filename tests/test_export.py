"""Exports for an auditor: every row leads to the next one, amounts are exact, and what is written is whole or not there."""

from __future__ import annotations

import csv
import errno
import io
import json
import os
import re
import resource
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
import stripe_objects as stripe
from house import House

from syncjob import config, csvfile, moment, wholefile
from syncjob.cli import evidence, export, main
from syncjob.model import Invoice, Role
from syncjob.money import Money
from syncjob.store import Store, Subject

ROOT = Path(__file__).parent.parent
DOCS = (ROOT / "docs" / "export.md").read_text()
NAMES = ("transactions", "entries", "documents")


def syncjob(*arguments, **more):
    command = [sys.executable, "-m", "syncjob", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=ROOT, **more)


@pytest.fixture(scope="module")
def busy():
    """A demo's home after its night: several currencies, refunds, disputes, payouts, and something that is held."""
    home = Path(tempfile.mkdtemp(prefix="sj-")) / "demo"
    done = syncjob("demo", "--home", home, "--scenario", "busy")
    assert done.returncode == 3, done.stderr
    yield home
    shutil.rmtree(home.parent)


def exported(capsys, home, name, *more, code=None):
    """The rows of an export as texts, and what it says beside them."""
    ended = main(["export", name, "--home", str(home), *more])
    said = capsys.readouterr()
    assert ended == (code if code is not None else 3 if name == "transactions" else 0), said.err
    return list(csv.DictReader(io.StringIO(said.out, newline=""), strict=True))


def amount(row, column, currency="currency"):
    return Money.of(row[column], row[currency])


def keys_in(cell):
    return cell.split(" | ") if cell else []


# ---------------------------------------------------------------- what stands in them


@pytest.mark.parametrize("name", [*NAMES, "schedule"])
def test_the_page_about_exports_names_exactly_the_columns_in_their_order(busy, capsys, name):
    told = re.findall(r"^\| `(\w+)` \|", DOCS.split(f"\n## {name}\n")[1].split("\n## ")[0], re.MULTILINE)
    main(["export", name, "--home", str(busy), "--from", "1999-01-01", "--to", "1999-01-01"])
    assert capsys.readouterr().out == ",".join(told) + "\r\n"


def test_each_movement_closes_and_its_entry_moves_the_balance_by_its_net(busy, capsys):
    movements = exported(capsys, busy, "transactions")
    balance: dict[tuple[str, str], list[Money]] = {}
    for line in exported(capsys, busy, "entries"):
        if line["role"] in (Role.CLEARING, Role.RESERVE):
            balance.setdefault((line["entry"], line["bucket"]), []).append(amount(line, "amount"))
    assert len({one["currency"] for one in movements}) >= 4
    for one in movements:
        assert amount(one, "gross") - amount(one, "fee") == amount(one, "net")
        if one["entry"]:
            moved = balance[one["entry"], one["bucket"]]
            assert sum((part.minor for part in moved), 0) == amount(one, "net").minor
            assert {part.currency for part in moved} <= {one["currency"]}
    assert sum(1 for one in movements if one["entry"]) > 50


def test_every_entry_balances_and_leads_to_the_movement_behind_it(busy, capsys):
    movements = {one["transaction"]: one for one in exported(capsys, busy, "transactions")}
    origins = {one["origin"] for one in movements.values()}
    sums: dict[tuple[str, str], int] = {}
    kinds = set()
    for line in exported(capsys, busy, "entries"):
        key = line["entry"], line["currency"]
        sums[key] = sums.get(key, 0) + amount(line, "amount").minor
        kinds.add(line["kind"])
        if line["kind"] != "opening":
            assert line["transaction"] in movements if line["transaction"] else line["origin"] in origins
        assert line["account"].partition(":")[0] in ("Assets", "Liabilities", "Income", "Expenses", "Equity")
    assert not any(sums.values())
    assert {"payment", "refund", "dispute", "payout", "application", "payout_paid"} <= kinds


def test_an_auditor_walks_from_each_entry_to_the_line_in_the_books(busy, capsys):
    entries = exported(capsys, busy, "entries")
    documents = {one["document"]: one for one in exported(capsys, busy, "documents", "--target", "books")}
    text = "".join(path.read_text() for path in (busy / "books").glob("2*.beancount"))
    for line in entries:
        [name] = keys_in(line["documents"])
        document = documents[name]
        assert line["entry"] in keys_in(document["entries"])
        assert document["date"] == line["date"]
        if document["status"] == "delivered":
            file, _, key = document["remote"].partition("#")
            assert file == f"{line['date'][:7]}.beancount"
            assert f'syncjob: "{key}"' in text
    assert sum(len(keys_in(one["entries"])) for one in documents.values()) == len({line["entry"] for line in entries})


def test_the_rows_of_the_crm_are_found_by_their_ids(busy, capsys):
    documents = exported(capsys, busy, "documents", "--target", "crm")
    with closing(sqlite3.connect(f"file:{busy / 'crm.sqlite'}?mode=ro", uri=True)) as db:
        for kind, table in (("contact", "contacts"), ("payment", "payments"), ("deal", "deals")):
            there = {id for (id,) in db.execute(f"SELECT external_id FROM {table}")}  # noqa: S608 - names of our own
            ours = {one["remote"] for one in documents if one["kind"] == kind and one["status"] == "delivered"}
            assert ours
            assert ours == there


def test_which_document_brings_an_entry_is_what_planning_stored(busy, tmp_path):
    """The store's public methods do not give it away; the keys that it is derived from must stay as they are."""
    home = tmp_path / "late"
    main(["init", "--home", str(home), "--gateway-name", "shop"])
    house = House(str(home / "state" / "syncjob.sqlite"), home)
    house.gateway.charge("ch_1", 48_25, name="Example Bakery", invoice="INV-1")
    house.gateway.charge("ch_2", 10_00, invoice="INV-2")
    house.run()
    day = house.clock.date()
    for number, total in (("INV-1", 48_25), ("INV-2", 10_00)):
        money = Money(total, "EUR")
        told = {"customer": "Example Bakery", "email": "", "issued": day, "due": None, "as_of": house.clock}
        house.books.invoices.append(Invoice(target="books", id=number, number=number, total=money, open=money, **told))
    house.run(later=timedelta(hours=1))  # both are applied anew: undone, and applied to their invoice
    seen = set()
    for state in (home / "state" / "syncjob.sqlite", busy / "state" / "syncjob.sqlite"):
        with closing(sqlite3.connect(state)) as db:
            query = "SELECT entry.key, posted.target, posted.document FROM posted JOIN entry ON entry.id = posted.entry"
            stored = set(db.execute(query))
        store = Store.open(str(state), create=False)
        try:
            stories = store.stories(list(store.all_subjects()))
        finally:
            store.close()
        derived = [(entry, *one) for story in stories for entry, found in evidence.carried(story).items() for one in found]
        assert len(derived) == len(stored)
        assert set(derived) == stored
        seen |= {entry.rpartition(":application:")[2] for entry, _, _ in stored if ":application:" in entry}
    assert seen >= {"1", "1:undo", "2"}


def test_json_lines_say_the_same_with_the_lines_of_an_entry_inside(busy, capsys):
    for name in NAMES:
        sheet = exported(capsys, busy, name)
        main(["export", name, "--home", str(busy), "--format", "jsonl"])
        objects = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        flat = []
        for one in objects:
            lines = one.pop("lines", [{}])
            flat += [{**one, **line} for line in lines]
        texts = [
            {
                key: "" if value is None else " | ".join(value) if isinstance(value, list) else str(value)
                for key, value in row.items()
            }
            for row in flat
        ]
        assert [{key: cell.removeprefix("'") for key, cell in row.items()} for row in sheet] == texts
        assert not any(isinstance(value, float) for row in flat for value in row.values())


def test_the_same_state_gives_the_same_bytes(busy, capsys):
    for name in NAMES:
        main(["export", name, "--home", str(busy)])
        first = capsys.readouterr().out
        main(["export", name, "--home", str(busy)])
        assert capsys.readouterr().out == first


def test_instants_are_utc_and_dates_are_those_of_the_books_zone(busy, capsys):
    zone = config.read(busy).zone
    for one in exported(capsys, busy, "transactions"):
        assert one["effective"].endswith("Z")
        assert one["date"] == moment.business_date(moment.from_text(one["effective"]), zone).isoformat()


# ---------------------------------------------------------------- which rows


@pytest.mark.parametrize("name", NAMES)
def test_two_periods_that_meet_give_every_row_once(busy, capsys, name):
    def bare(rows):
        return sorted(tuple(row.items()) for row in rows)

    def part(*more):
        main(["export", name, "--home", str(busy), *more])
        return list(csv.DictReader(io.StringIO(capsys.readouterr().out, newline="")))

    whole, first, second = part(), part("--to", "2026-10-19"), part("--from", "2026-10-20")
    assert first
    assert second
    assert bare(first + second) == bare(whole)
    assert all(row["date"] <= "2026-10-19" for row in first)
    assert all(row["date"] >= "2026-10-20" for row in second if row["date"])
    assert {row["date"] for row in part("--from", "2026-10-19", "--to", "2026-10-19")} <= {"2026-10-19", ""}


def test_one_source_or_target_only(busy, capsys):
    assert exported(capsys, busy, "transactions", "--source", "stripe-demo") == exported(capsys, busy, "transactions")
    assert {one["target"] for one in exported(capsys, busy, "documents", "--target", "crm")} == {"crm"}
    assert {one["source"] for one in exported(capsys, busy, "documents")} == {"stripe-demo", ""}
    assert {one["source"] for one in exported(capsys, busy, "documents", "--source", "stripe-demo")} == {"stripe-demo"}
    assert not any(one["documents"] for one in exported(capsys, busy, "entries", "--target", "crm"))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["entries", "--source", "books"], "--source is 'books'"),
        (["entries", "--source", "shop"], "it names stripe-demo"),
        (["documents", "--target", "stripe-demo"], "it names books, crm"),
        (["entries", "--from", "yesterday"], "--from is 'yesterday'; write a day such as 2026-11-01"),
        (["entries", "--from", "20261101"], "write a day"),
        (["entries", "--to", "2026-02-30"], "--to is '2026-02-30'"),
        (["entries", "--from", "2026-11-02", "--to", "2026-11-01"], "the earlier day first"),
    ],
)
def test_what_cannot_be_asked_for_is_refused_in_a_sentence(busy, capsys, tmp_path, arguments, words):
    out = tmp_path / "out.csv"
    assert main(["export", *arguments, "--home", str(busy), "--out", str(out)]) == 2
    said = capsys.readouterr()
    assert words in said.err
    assert said.out == ""
    assert list(tmp_path.iterdir()) == []


def test_records_that_cannot_be_read_are_counted_and_end_with_3(busy, capsys):
    assert main(["export", "transactions", "--home", str(busy)]) == 3
    assert "left out: 2 records that cannot be read, of stripe-demo; see: syncjob held list" in capsys.readouterr().err


# ---------------------------------------------------------------- hostile texts


def landed(capsys, home, **more):
    """A home in which one payment was landed, with what a customer wrote into it."""
    main(["init", "--home", str(home), "--gateway-name", "shop"])
    store = Store.open(str(home / "state" / "syncjob.sqlite"))
    try:
        records = stripe.landed(stripe.movement("charge", 10_000, source="ch_1Example", fee=175), stripe.charge(**more))
        store.land(stripe.SHOP, "balance_transactions", records, None, stripe.at(stripe.MORNING + 700))
    finally:
        store.close()
    capsys.readouterr()


def test_a_formula_is_harmless_in_a_sheet_and_itself_in_json(tmp_path, capsys):
    landed(capsys, tmp_path, description="=HYPERLINK(\"https://example.com\")")
    [row] = exported(capsys, tmp_path, "transactions", code=0)
    assert row["description"] == "'=HYPERLINK(\"https://example.com\")"
    assert (row["gross"], row["fee"], row["net"], row["currency"], row["entry"]) == ("100.00", "1.75", "98.25", "EUR", "")
    assert main(["export", "transactions", "--format", "jsonl", "--home", str(tmp_path)]) == 0
    assert json.loads(capsys.readouterr().out)["description"] == "=HYPERLINK(\"https://example.com\")"


def test_a_negative_amount_stays_a_number(tmp_path, capsys, busy):
    assert any(row["gross"].startswith("-") for row in exported(capsys, busy, "transactions"))


def test_odd_characters_break_no_file(tmp_path, capsys):
    landed(capsys, tmp_path, description="odd \ud83d and \0 and \u2028")  # landing writes what no database takes in letters
    assert main(["export", "transactions", "--format", "jsonl", "--home", str(tmp_path)]) == 0
    assert json.loads(capsys.readouterr().out)["description"] == "odd \\ud83d and \\u0000 and \u2028"
    [row] = exported(capsys, tmp_path, "transactions", code=0)
    assert row["description"] == "odd \\ud83d and \\u0000 and \u2028"


def test_half_a_surrogate_pair_is_written_as_json_itself_would():
    file = io.BytesIO()
    with export._text(file) as stream:
        stream.write(json.dumps("\ud83d", ensure_ascii=False))
    assert json.loads(file.getvalue()) == "\ud83d"


@pytest.mark.parametrize(
    "text", ["=1", "+1", "-1", "@x", "\t=1", "\r1", "\n1", "\0=1", " =1", "\u00a0=1", "\u200b=1", "\ufeff@x", "\uff1d1"]
)
def test_whatever_a_spreadsheet_would_calculate_is_made_a_text(text):
    assert csvfile.inert(text) == f"'{text}"


@pytest.mark.parametrize("cell", ["", "1-1", "Example Bakery", "a=b", "'=1", None, -5, "2026-11-03"])
def test_everything_else_is_left_as_it_is(cell):
    assert csvfile.inert(cell) == cell


def test_formulas_are_made_harmless_in_one_place_only():
    homes = [path.name for path in (ROOT / "syncjob").rglob("*.py") if re.search("_FORMULA|uff0b|\uff0b", path.read_text())]
    assert homes == ["csvfile.py"]


# ---------------------------------------------------------------- where they go


@pytest.mark.parametrize("name", [*NAMES, "crm"])
@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_a_file_holds_what_standard_output_shows(busy, capsys, tmp_path, name, kind):
    out = tmp_path / "out"
    out.write_text("old")
    out.chmod(0o640)
    arguments = ["export", name, "--format", kind, "--home", str(busy)]
    code = main(arguments)
    shown = capsys.readouterr().out
    assert shown
    assert main([*arguments, "--out", str(out)]) == code
    assert capsys.readouterr().out == ""
    assert out.read_bytes().decode() == shown
    assert out.stat().st_mode & 0o777 == 0o640
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("name", [*NAMES, "crm"])
@pytest.mark.parametrize("word", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
def test_a_disk_that_is_full_leaves_the_old_file(busy, capsys, tmp_path, monkeypatch, name, word):
    def full(_):
        raise OSError(word, os.strerror(word))

    out = tmp_path / "out.csv"
    out.write_text("old")
    monkeypatch.setattr(wholefile.os, "fsync", full)
    assert main(["export", name, "--home", str(busy), "--out", str(out)]) == 5
    said = capsys.readouterr().err
    assert f"{out} cannot be written: {os.strerror(word)}; make room there" in said
    assert len(said.splitlines()) == 1
    assert out.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["out.csv"]


def test_a_file_that_may_not_grow_leaves_the_old_one(busy, tmp_path):
    def nearly_full():
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

    out = tmp_path / "out.csv"
    out.write_text("old")
    done = syncjob("export", "crm", "--home", busy, "--out", out, preexec_fn=nearly_full)
    assert (done.returncode, len(done.stderr.splitlines())) == (5, 1)
    assert out.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["out.csv"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_standard_output_that_is_full_is_one_sentence(busy):
    with Path("/dev/full").open("wb") as full:
        command = [sys.executable, "-m", "syncjob", "export", "documents", "--home", str(busy)]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, cwd=ROOT)
    assert done.returncode == 5
    assert done.stderr.startswith("syncjob: standard output cannot be written: No space left on device; make room there")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("name", [*NAMES, "crm"])
def test_a_reader_that_has_seen_enough_is_no_error(busy, name):
    command = [sys.executable, "-m", "syncjob", "export", name, "--home", str(busy)]
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, cwd=ROOT)
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_place_that_is_no_file_is_refused_and_stays_what_it_is(busy, capsys, tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for place in (pipe, tmp_path, tmp_path / "no" / "folder.csv"):
        assert main(["export", "entries", "--home", str(busy), "--out", str(place)]) == 2
        assert str(place) in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["pipe"]
    assert pipe.is_fifo()


def test_a_link_stays_a_link(busy, tmp_path):
    (tmp_path / "real.csv").write_text("old")
    (tmp_path / "link.csv").symlink_to("real.csv")
    assert main(["export", "entries", "--home", str(busy), "--out", str(tmp_path / "link.csv")]) == 0
    assert (tmp_path / "link.csv").is_symlink()
    assert (tmp_path / "real.csv").read_text().startswith("entry,")


def test_an_export_that_is_stopped_leaves_nothing_behind(busy, capsys, tmp_path, monkeypatch):
    def stopped(*_):
        raise KeyboardInterrupt

    out = tmp_path / "out.csv"
    out.write_text("old")
    monkeypatch.setattr(evidence, "_line", stopped)
    assert main(["export", "entries", "--home", str(busy), "--out", str(out)]) == 5
    assert out.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["out.csv"]


def test_subjects_are_read_a_batch_at_a_time_while_rows_are_written(busy):
    """Memory stays flat: before the first row no more than one batch was asked for."""
    read = config.read(busy)
    store = Store.open(read.state, create=False)

    class Watched:
        asked: list[int] = []  # noqa: RUF012 - a test's own tally

        def all_subjects(self, _scope=None):
            every = list(store.all_subjects())
            return iter([Subject(one.scope, one.name, one.position) for _ in range(20) for one in every])

        def stories(self, subjects):
            self.asked.append(len(subjects))
            return store.stories(subjects)

        def bindings(self):
            return store.bindings()

        def get_fact(self, name):
            return store.get_fact(name)

    try:
        rows = evidence.rows(evidence.ENTRIES, read, Watched(), evidence.Choice(), evidence.LeftOut())
        next(rows)
        assert Watched.asked == [evidence.BATCH]
        assert sum(1 for _ in rows) > 1000
        assert max(Watched.asked) == evidence.BATCH
    finally:
        store.close()


def test_a_home_without_a_state_says_what_to_run_first(tmp_path, capsys):
    main(["init", "--home", str(tmp_path)])
    assert main(["export", "entries", "--home", str(tmp_path)]) == 2
    assert "syncjob run" in capsys.readouterr().err
