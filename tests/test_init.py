"""A new home: what init writes is commented, valid, and never written over what is there."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from types import ModuleType

import pytest

from syncjob import chart, config, moment, roles
from syncjob.accounting import beancount
from syncjob.accounting.beancount import invoices, ledger
from syncjob.cli import main, templates
from syncjob.errors import ConnectorDown
from syncjob.model import Role
from syncjob.ports import Account, AccountType, Chart, Options

ROOT = Path(__file__).parent.parent


def files(home):
    return {str(path.relative_to(home)): path.read_bytes() for path in sorted(home.rglob("*")) if path.is_file()}


def test_what_init_writes_is_a_valid_home(tmp_path, capsys):
    home = tmp_path / "shop"
    assert main(["init", "--home", str(home), "--zone", "Asia/Tokyo", "--currency", "JPY", "--gateway-name", "stripe-jp"]) == 0
    read = config.read(home)
    assert (read.zone_name, read.home_currency) == ("Asia/Tokyo", "JPY")
    assert [block.name for block in read.blocks] == ["stripe-jp", "books", "crm"]
    assert "check --live" in capsys.readouterr().out


def test_the_cut_over_is_midnight_today_in_the_books_zone(tmp_path):
    before = datetime.now(UTC)
    main(["init", "--home", str(tmp_path), "--zone", "America/New_York"])
    zone = moment.zone("America/New_York")
    midnights = {moment.start_of(moment.business_date(at, zone), zone) for at in (before, datetime.now(UTC))}
    assert config.read(tmp_path).start in midnights


def test_every_role_has_an_account_from_the_first_day(tmp_path):
    main(["init", "--home", str(tmp_path)])
    chart = config.read(tmp_path).chart
    for role in Role:
        assert chart.code(role, "stripe", "EUR")


def test_the_home_holds_no_key_and_its_state_is_private(tmp_path):
    main(["init", "--home", str(tmp_path)])
    text = (tmp_path / "syncjob.yaml").read_text()
    assert "key: env:STRIPE_KEY" in text
    assert oct((tmp_path / "state").stat().st_mode & 0o777) == "0o700"


def test_the_list_of_invoices_starts_with_the_columns_that_the_books_read(tmp_path):
    main(["init", "--home", str(tmp_path)])
    assert tuple(templates.INVOICES_HEADER.strip().split(",")) == invoices.COLUMNS
    found = invoices.read(tmp_path / "books" / "invoices.csv", "books")
    assert found is not None
    assert list(found[1]) == []


@pytest.mark.parametrize("name", ["syncjob.yaml", "accounts.csv", "books/invoices.csv"])
def test_nothing_that_is_there_is_overwritten_and_nothing_else_is_begun(tmp_path, capsys, name):
    mine = tmp_path / name
    mine.parent.mkdir(parents=True, exist_ok=True)
    mine.write_text("mine\n")
    before = files(tmp_path)
    assert main(["init", "--home", str(tmp_path)]) == 2
    assert str(mine) in capsys.readouterr().err
    assert files(tmp_path) == before


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--zone", "Mars/Olympus"], "Mars/Olympus"),
        (["--currency", "euro"], "euro"),
        (["--gateway-name", "My Shop"], "My Shop"),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence_before_anything_is_written(tmp_path, capsys, options, words):
    assert main(["init", "--home", str(tmp_path / "shop"), *options]) == 2
    said = capsys.readouterr().err
    assert words in said
    assert len(said.strip().splitlines()) == 1
    assert not (tmp_path / "shop").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_home_that_cannot_be_written_is_named(tmp_path, capsys):
    tmp_path.chmod(0o500)
    try:
        assert main(["init", "--home", str(tmp_path / "shop")]) == 2
    finally:
        tmp_path.chmod(0o700)
    assert str(tmp_path / "shop") in capsys.readouterr().err


def test_a_home_below_a_file_is_named(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert main(["init", "--home", str(tmp_path / "file" / "shop")]) == 2
    assert "file" in capsys.readouterr().err


def test_a_home_without_configuration_says_how_to_make_one(tmp_path, capsys):
    assert main(["check", "--home", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert "syncjob init" in said
    assert "Traceback" not in said


def test_a_gateway_name_with_an_account_of_its_own_reads_like_one():
    assert "clearing,stripe-jp,,Assets:Stripe-Jp:Balance" in templates.accounts_csv("stripe-jp")


# ---------------------------------------------------------------- the chart of an existing ledger

LEDGER = """\
option "title" "Example Ltd"
; 2020-01-01 open Assets:Commented
* 2020-01-01 open Assets:Heading "with half a quote
2020-01-01 open Assets:Stripe:Balance EUR ; ours
2020/01/01 open Assets:Bank:Giro  EUR,USD "STRICT"
  since: "a branch
2020-01-01 open Assets:InString
2020-01-01 close Assets:Bank:Giro"
2020-01-01   open   Assets:Old
2021-01-01 close Assets:Old
2030-12-31 close Assets:Stripe:Balance
2020-01-01 open Expenses:Stripe:Fees "NONE"
2020-01-01 open Income:Sales
2020-01-01 open Liabilities:VAT
2020-01-02 * "Example Bakery" "2020-01-01 open Assets:Narration"
  Assets:Stripe:Balance   1.00 EUR
  Income:Sales
include "more/*.bean"
include "nowhere.beancount"
include "main.beancount"
"""


@pytest.fixture
def books(tmp_path):
    """A ledger that somebody has kept for years."""
    folder = tmp_path / "my ledger"
    (folder / "more").mkdir(parents=True)
    (folder / "main.beancount").write_text(LEDGER)
    (folder / "more" / "opening.bean").write_text("2020-01-01 open Equity:Opening-Balances\n")
    return folder


def test_the_accounts_are_those_that_the_files_open(books):
    said = [(one.code, one.type.value, one.currency, one.active) for one in ledger.accounts(books, date(2026, 11, 24))]
    assert said == [
        ("Assets:Bank:Giro", "asset", "", True),
        ("Assets:Old", "asset", "", False),
        ("Assets:Stripe:Balance", "asset", "EUR", True),
        ("Equity:Opening-Balances", "equity", "", True),
        ("Expenses:Stripe:Fees", "expense", "", True),
        ("Income:Sales", "income", "", True),
        ("Liabilities:VAT", "liability", "", True),
    ]


def test_our_own_reader_sees_what_beancount_sees(books):
    loader = pytest.importorskip("beancount.loader")
    (books / "main.beancount").write_text(LEDGER.replace('include "nowhere.beancount"\ninclude "main.beancount"\n', ""))
    entries, _, _ = loader.load_file(str(books / "main.beancount"))
    opened = sorted(entry.account for entry in entries if type(entry).__name__ == "Open")
    assert [one.code for one in ledger.accounts(books, date(2026, 11, 24))] == opened


def test_an_account_is_closed_from_its_day_on(books):
    def active(day):
        return {one.code: one.active for one in ledger.accounts(books, day)}["Assets:Stripe:Balance"]

    assert active(date(2030, 12, 30))
    assert not active(date(2030, 12, 31))


def test_the_books_announce_that_they_have_a_chart_and_an_unreadable_file_is_named(books):
    connected = beancount.connect(Options("books", books.parent, {"path": books.name}))
    assert isinstance(connected, Chart)
    assert len(connected.accounts()) == 7
    (books / "latin.beancount").write_bytes(b"; caf\xe9\n")
    with pytest.raises(ConnectorDown, match=r"books: latin.beancount: .* not UTF-8"):
        connected.accounts()


def test_a_folder_without_files_has_no_accounts(tmp_path):
    assert ledger.accounts(tmp_path / "nowhere", date(2026, 11, 24)) == []


# ---------------------------------------------------------------- which account fits which role


def of_template(source="stripe"):
    types = {"Assets": "asset", "Liabilities": "liability", "Income": "income", "Expenses": "expense", "Equity": "equity"}
    codes = sorted(chart.read(templates.accounts_csv(source)).rows.values())
    return [Account(code, code.rpartition(":")[2], AccountType(types[code.partition(":")[0]])) for code in codes]


def test_every_role_has_a_type_and_a_meaning():
    assert list(roles.PARTS) == list(Role)
    assert all(part.types and part.meaning and part.names for part in roles.PARTS.values())


def test_the_accounts_that_init_names_are_of_the_right_type_and_guessed_right():
    accounts, wanted = of_template(), chart.read(templates.accounts_csv("stripe"))
    taken: set[str] = set()
    for role in Role:
        code = wanted.code(role, "stripe", "EUR")
        assert code in [one.code for one in roles.offers(role, "stripe", accounts, "EUR")]
        best = roles.guess(role, "stripe", accounts, "EUR", taken)
        assert best is not None
        assert best.code == code
        taken.add(code)


def test_only_active_accounts_of_the_right_type_are_offered_and_a_foreign_currency_stands_last():
    accounts = [
        Account("1", "Clearing", AccountType.ASSET, "USD"),
        Account("2", "Clearing", AccountType.ASSET, active=False),
        Account("3", "Clearing", AccountType.INCOME),
        Account("4", "Petty cash", AccountType.ASSET),
        Account("5", "Stripe", AccountType.ASSET, "EUR"),
    ]
    assert [one.code for one in roles.offers(Role.CLEARING, "stripe", accounts, "EUR")] == ["5", "4", "1"]
    assert roles.guess(Role.CLEARING, "paypal", accounts, "EUR", ()) is None


def test_a_balance_stands_for_one_thing_and_an_expense_may_serve_two_roles():
    accounts = [Account("1", "Chargebacks", AccountType.EXPENSE), Account("2", "Bank giro", AccountType.ASSET)]
    assert roles.guess(Role.DISPUTE_LOSS, "stripe", accounts, "EUR", {"1"}) is accounts[0]
    assert roles.guess(Role.BANK, "stripe", accounts, "EUR", {"2"}) is None
    assert roles.guess(Role.BANK, "stripe", accounts, "EUR", ()) is accounts[1]


# ---------------------------------------------------------------- init --live


def live(home, *arguments):
    return main(["init", "--live", "--home", str(home), *arguments])


def rows(home):
    return chart.read((home / "accounts.csv").read_text()).rows


def test_a_new_home_takes_its_accounts_from_the_ledger_and_check_tells_what_is_missing(tmp_path, capsys, books, monkeypatch):
    monkeypatch.setenv("STRIPE_KEY", "rk_test_ExampleKey")
    home = tmp_path / "shop"
    assert live(home, "--books", str(books)) == 3
    said = capsys.readouterr().out
    assert "6 of 25 roles have an account (4 guessed from their names" in said
    assert "Without one: reserve of stripe, payouts_in_transit, receivable," in said
    assert rows(home) == {
        ("clearing", "stripe", ""): "Assets:Stripe:Balance",
        ("bank", "", ""): "Assets:Bank:Giro",
        ("revenue", "", ""): "Income:Sales",
        ("tax", "", ""): "Liabilities:VAT",
        ("fees", "", ""): "Expenses:Stripe:Fees",
        ("opening", "", ""): "Equity:Opening-Balances",
    }
    text = (home / "accounts.csv").read_text()
    guessed = "# guessed from its name; it could also be Assets:Stripe:Balance\nbank,,,Assets:Bank:Giro\n"
    assert f"# the bank account that payouts arrive in (asset)\n{guessed}" in text
    assert "# MISSING: it could be Liabilities:VAT; add a line such as customer_credit,,,CODE" in text
    [block] = config.read(home).of("accounting")
    assert block.settings == {"path": str(books), "open_accounts": "no"}
    assert (books / "invoices.csv").read_text() == templates.INVOICES_HEADER
    assert (books / "main.beancount").read_text() == LEDGER
    assert not (home / "books").exists()
    assert main(["check", "--home", str(home)]) == 2
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 19
    assert all("no account plays the role" in line for line in lines)


def test_a_list_of_invoices_that_is_there_stays(tmp_path, books):
    (books / "invoices.csv").write_text("number,customer,email,currency,total,issued,due,open\n")
    live(tmp_path / "shop", "--books", str(books))
    assert (books / "invoices.csv").read_text().endswith(",open\n")


def test_a_persons_accounts_are_written_anew_only_by_force_and_keep_what_still_fits(tmp_path, capsys, books):
    home = tmp_path / "shop"
    live(home, "--books", str(books))
    mine = home / "accounts.csv"
    changed = mine.read_text().replace("bank,,,Assets:Bank:Giro", "bank,,,Assets:Stripe:Balance")
    changed = changed.replace("stripe,,Assets:Stripe:Balance", "stripe,,Assets:Gone\nclearing,stripe,USD,Assets:U")
    mine.write_text(changed)
    capsys.readouterr()
    assert live(home) == 2
    assert f"{mine} is already there and is somebody's work; say --force" in capsys.readouterr().err
    assert mine.read_text() == changed
    assert live(home, "--force") == 3
    assert rows(home)["bank", "", ""] == "Assets:Stripe:Balance"  # it is there and of the right type: a person's word counts
    assert rows(home)["clearing", "stripe", ""] == "Assets:Stripe:Balance"  # the old one is gone
    assert rows(home)["clearing", "stripe", "USD"] == "Assets:U"
    assert "# what the gateway holds for you (asset)\n# guessed" in mine.read_text()


def test_books_that_syncjob_opens_itself_keep_the_accounts_that_are_not_there_yet(tmp_path, capsys):
    home = tmp_path / "shop"
    main(["init", "--home", str(home)])
    before = rows(home)
    assert live(home) == 0
    assert "books has no accounts yet: accounts.csv stays as it is" in capsys.readouterr().out
    (home / "books" / "own.beancount").write_text("2020-01-01 open Assets:Bank:Current\n2020-01-01 open Assets:Giro:Bank\n")
    assert live(home) == 0
    assert rows(home) == before
    text = (home / "accounts.csv").read_text()
    assert "# not in the books yet, opened when it is first used\nreceivable,,,Assets:Receivable" in text
    assert "arrive in (asset)\nbank,,,Assets:Bank:Current" in text


def test_accounts_may_be_missing_altogether(tmp_path, capsys, books):
    home = tmp_path / "shop"
    live(home, "--books", str(books))
    wanted = rows(home)
    (home / "accounts.csv").unlink()
    assert live(home) == 3
    assert rows(home) == wanted
    (home / "accounts.csv").unlink()
    for path in (books / "main.beancount", books / "more" / "opening.bean"):
        path.unlink()
    assert live(home) == 2
    assert "books has no accounts yet; open them there" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--books", "nowhere"], "--books and --force belong to --live"),
        (["--force"], "belong to --live"),
        (["--live", "--books", "nowhere"], "no *.beancount file is there"),
    ],
)
def test_options_that_make_no_sense_begin_nothing(tmp_path, capsys, arguments, words):
    assert main(["init", "--home", str(tmp_path / "shop"), *arguments]) == 2
    assert words in capsys.readouterr().err
    assert not (tmp_path / "shop").exists()


def test_a_home_that_has_its_books_names_them_itself(tmp_path, capsys, books):
    main(["init", "--home", str(tmp_path / "shop")])
    before = files(tmp_path / "shop")
    assert live(tmp_path / "shop", "--books", str(books)) == 2
    assert "names its books already" in capsys.readouterr().err
    assert files(tmp_path / "shop") == before


def test_books_that_cannot_list_their_accounts_say_so(tmp_path, capsys, monkeypatch):
    main(["init", "--home", str(tmp_path)])
    real, plain = config.module, ModuleType("plain")
    plain.connect = lambda _options, _http: object()
    monkeypatch.setattr(config, "module", lambda block: plain if block.group == "accounting" else real(block))
    assert live(tmp_path) == 2
    assert "(it names books); write accounts.csv by hand" in capsys.readouterr().err


def test_a_live_check_tells_accounts_that_do_not_fit_their_role(tmp_path, capsys, books, monkeypatch):
    monkeypatch.setenv("STRIPE_KEY", "rk_test_ExampleKey")
    home = tmp_path / "shop"
    live(home, "--books", str(books))
    texts = [f"{role.value},,,Assets:Bank:Giro" for role in Role]
    told = {"fees": "Income:Sales", "fx": "Assets:Old", "bank": "Assets:Nowhere"}
    texts = [f"{text.partition(',')[0]},,,{told.get(text.partition(',')[0], 'Assets:Bank:Giro')}" for text in texts]
    (home / "accounts.csv").write_text("role,source,currency,account\n" + "\n".join(texts) + "\n")
    path = home / "syncjob.yaml"
    path.write_text(path.read_text().replace("connector: stripe\n", "connector: stripe\n    base_url: http://127.0.0.1:9\n"))
    capsys.readouterr()
    assert main(["check", "--live", "--home", str(home)]) == 2
    lines = capsys.readouterr().out.splitlines()
    assert "accounts.csv: 'Income:Sales' for the role fees is not expense but income in books; choose another" in lines
    assert "accounts.csv: 'Assets:Old' for the role fx is closed in books; choose another" in lines
    assert "accounts.csv: 'Assets:Nowhere' for the role bank is no account in books; choose another" in lines
    assert "accounts.csv: 'Assets:Bank:Giro' for the role revenue is not income but asset in books; choose another" in lines
    assert not any("role receivable" in line for line in lines)


def on_a_terminal(arguments, answer, question=b"]: "):
    """Run a command on a terminal; `answer` gives what is typed at each question. Returns exit code and what was seen."""
    child, terminal = pty.fork()
    if child == 0:
        os.environ["PYTHONPATH"] = str(ROOT)
        os.execv(sys.executable, [sys.executable, "-m", "syncjob", *arguments])  # noqa: S606
    seen, asked = b"", 0
    while select.select([terminal], [], [], 20)[0]:
        try:
            part = os.read(terminal, 4096)
        except OSError:  # the other end has ended
            break
        seen += part
        if len(seen) > asked and seen.endswith(question):
            os.write(terminal, answer(seen[asked:].decode()))
            asked = len(seen)
    os.close(terminal)  # hangs up on whoever still waits for an answer
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status), seen.decode()


def test_on_a_terminal_each_role_is_asked_for_with_a_default(tmp_path, books):
    home = tmp_path / "shop"
    said = iter(["Assets:Nowhere", "Income:Sales", "2", "0"])  # for clearing: two that do not fit, one that does; no reserve

    def answer(question):
        return f"{next(said, '')}\n".encode()

    code, seen = on_a_terminal(["init", "--live", "--books", str(books), "--home", str(home)], answer)
    assert code == 3, seen
    assert "clearing of stripe: what the gateway holds for you (asset)\r\n  1  Assets:Stripe:Balance  (EUR only)" in seen
    assert "Assets:Nowhere is neither a number of this list nor an account that is asset." in seen
    assert "Income:Sales is neither" in seen
    found = rows(home)
    assert found["clearing", "stripe", ""] == "Assets:Bank:Giro"
    assert ("reserve", "stripe", "") not in found
    assert found["fees", "", ""] == "Expenses:Stripe:Fees"  # the default, by a bare Enter
    assert "guessed" not in (home / "accounts.csv").read_text()


def test_what_was_chosen_can_be_stopped_and_begun_again(tmp_path, books):
    home = tmp_path / "shop"
    code, seen = on_a_terminal(["init", "--live", "--books", str(books), "--home", str(home)], lambda _: b"\x04")
    assert code == 5, seen
    command = [sys.executable, "-m", "syncjob", "init", "--live", "--home", str(home)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, stdin=subprocess.DEVNULL)
    assert (done.returncode, done.stderr) == (3, "")
    assert ("clearing", "stripe", "") in rows(home)
