"""Every worked example in --help is run as it stands there, in a home that the demo has made.

The verbs are found by themselves: one without an example fails, and so does an example that does not work. What an example
needs beyond such a home stands in the tables below.
"""

from __future__ import annotations

import json
import os
import pty
import re
import shlex
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import click
import pytest

from syncjob import cli
from syncjob.cli.command import Verbs, example, verb

ROOT = Path(__file__).parent.parent
SECONDS_MAX = 60
DONE = (0, 3)  # 3: done, and something is held, as in the busy demo

# ---------------------------------------------------------------- what examples need: a line for a new verb, where it must be

# These run until somebody stops them: SIGTERM after their first line, then the code behind the colon.
ENDLESS = {"schedule": 0, "sandbox stripe": 0, "sandbox resume": 0}
# These make their home: it must not be there yet.
HOMELESS = ("init", "demo")
# What is piped into an example that has a | before syncjob.
PIPED = {"auth": "sk_test_sandbox\n"}
# What a person types at which question, where an example asks on a terminal.
TYPED = {"auth": [("(not shown): ", "sk_test_sandbox\n"), ("whether the key fits? [Y/n]: ", "y\n")]}
# Invented words in examples -> what stands for them in the demo's home; {held}, {payment} and {invoice} are looked up there.
WORDS = [
    (r"/\w+/shop\b", "shop"),
    (r"~/", "./"),
    (r"\bbooks:shop:txn_1SxExample:receipt\b", "{edited}"),
    (r"\btxn_1SxExample\b", "{held}"),
    (r"\bch_3SxExample\b", "{payment}"),
    (r"\bINV-1001\b", "{invoice}"),
    (r"(?<=ch_1Example )INV-1007=60.00 INV-1008\b", "{unpaid}=1.00 {other}"),
    (r"(?<=ch_1Example )INV-1007\b", "{unpaid}"),
    (r"\bch_1Example\b", "{credited}"),
    (r"\bpo_1Example\b", "{payout}"),
    (r"(?<=do )12\b", "{run}"),
    (r"--port 12111\b", "--port 0"),
    (r"(?<=--source )stripe\b(?!-)", "stripe-demo"),
    (r"\bstripe:cus_A\b", "{first}"),
    (r"\bstripe:cus_B\b", "{second}"),
    (r"\bbooks:Example Bakery\b", "{billed}"),
    (r"(?<=syncjob auth )stripe\b(?!-)", "stripe-demo"),
]


def prepared(name: str, desk: Path) -> None:
    """What an example finds on its desk beside the home."""
    if name == "init":  # init --live --books ~/ledger: a ledger that somebody keeps
        shutil.copytree(desk.parent / "home" / "books", desk / "ledger", ignore=shutil.ignore_patterns("*.csv"))
    if name == "customers link":  # crm:C-1001: a contact that somebody in sales has made
        with closing(sqlite3.connect(desk / "shop" / "crm.sqlite")) as crm, crm:
            crm.execute("INSERT INTO contacts (external_id, name, revision) VALUES ('C-1001', 'Sample Studio', 1)")
    if name == "bank import":  # a statement, and how it is written
        path = desk / "shop" / "syncjob.yaml"
        layout = "bank:\n  current:\n    columns: {date: Date, amount: Amount, currency: Currency, text: Text}\n"
        path.write_text(path.read_text(encoding="utf-8") + layout, encoding="utf-8")
        (desk / "statement.csv").write_text("Date,Amount,Currency,Text\n2026-10-10,24.32,EUR,PAYMENTS\n", encoding="utf-8")
    if name.startswith("shadow"):  # books that nothing is sent to
        path = desk / "shop" / "syncjob.yaml"
        told = path.read_text(encoding="utf-8")
        path.write_text(told.replace("connector: beancount\n", "connector: beancount\n    shadow: yes\n"), encoding="utf-8")
        asked(desk, "run")
    if name.startswith("reconcile "):  # somebody took a receipt out of the books
        month = sorted((desk / "shop" / "books").glob("2*.beancount"))[0]
        text = month.read_text()
        month.write_text(text.replace(a_receipt(text)[0], ""))
    if name == "sandbox resume":  # the world's own port is the one that the other examples talk to
        note = desk / "shop" / "state" / "sandbox.json"
        note.write_text(json.dumps({**json.loads(note.read_text()), "port": 0}))


def a_receipt(text: str) -> tuple[str, str]:
    """The first receipt in a month file, and its document key."""
    found = re.search(r'^\d{4}-[^\n]*\n  syncjob: "(\S+:receipt)"\n(?:  [^\n]*\n)+', text, re.MULTILINE)
    assert found is not None
    return found[0], found[1]


# ---------------------------------------------------------------- finding the examples


def verbs(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every verb and subverb with the words that call it."""
    for name, command in group.commands.items():
        yield (*path, name), command
        if isinstance(command, click.Group):
            yield from verbs(command, (*path, name))


def lines_of(command: click.Command) -> list[str]:
    """The lines of a command's worked example."""
    _, _, rest = (command.epilog or "").partition("Example:\n")
    return [line.strip() for line in rest.splitlines() if line.strip()]


def called(line: str) -> str:
    """The words of the verb that a line calls, "" where it calls none."""
    _, found, rest = line.rpartition("syncjob ")
    here: click.Command = cli.syncjob
    words = []
    for word in shlex.split(rest) if found else ():
        if not isinstance(here, click.Group) or word not in here.commands:
            break
        here = here.commands[word]
        words.append(word)
    return " ".join(words)


def without_example(group: click.Group) -> list[str]:
    """The verbs whose help shows no line that calls them."""
    return [
        " ".join(path)
        for path, command in verbs(group)
        if not any(f"syncjob {' '.join(path)} ".strip() in line for line in lines_of(command))
    ]


EVERY = sorted({line for _, command in verbs(cli.syncjob) for line in lines_of(command)} | {*lines_of(cli.syncjob)})


def test_every_verb_has_a_worked_example():
    assert without_example(cli.syncjob) == []
    assert len(EVERY) > 20


def test_a_verb_without_an_example_is_noticed():
    @verb("fine", "syncjob fine --home shop")
    def fine() -> None:
        """A verb that shows how it is used."""

    @verb("bare")
    def bare() -> None:
        """A verb that does not."""

    other = Verbs("other", commands=[fine, bare], epilog=example("syncjob fine"))
    assert without_example(Verbs("syncjob", commands=[fine, other])) == ["other", "other fine", "other bare"]


def test_the_tables_name_verbs_that_exist():
    known = {" ".join(path) for path, _ in verbs(cli.syncjob)}
    assert {*ENDLESS, *HOMELESS, *PIPED, *TYPED} <= known
    assert [pattern for pattern, _ in WORDS if not any(re.search(pattern, line) for line in EVERY)] == []


# ---------------------------------------------------------------- running them


def environment(desk: Path) -> dict[str, str]:
    """Of this very package, wherever it was imported from; ~ and temporary folders lie on the desk."""
    scratch = desk / "tmp"
    scratch.mkdir(exist_ok=True)
    package = str(Path(cli.__file__).parent.parent.parent)
    more = {"PYTHONPATH": package, "HOME": str(desk), "TMPDIR": str(scratch), "SYNCJOB_HOME": str(desk / "shop")}
    return {**os.environ, **more}


def command_of(line: str) -> list[str]:
    """The part of a line that calls syncjob, as a command for this Python."""
    words = shlex.split(line.rpartition("|")[2])
    assert words[0] == "syncjob", line
    return [sys.executable, "-u", "-m", *words]


@contextmanager
def begun(line: str, desk: Path) -> Iterator[subprocess.Popen[str]]:
    """A server of an example, until the block ends; its first line must come."""
    child = subprocess.Popen(
        command_of(line), cwd=desk, env=environment(desk), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        yield child
    finally:
        child.kill()
        child.communicate()


def served(line: str, desk: Path) -> tuple[int, str]:
    """Start a server, stop it after its first line; gives its exit code and all that it said."""
    with begun(line, desk) as child:
        assert child.stdout is not None
        first = child.stdout.readline()
        child.send_signal(signal.SIGTERM)
        out, err = child.communicate(timeout=SECONDS_MAX)
        assert first.strip(), err
    return child.returncode, first + out + err


def typed(line: str, desk: Path, answers: list[tuple[str, str]]) -> tuple[int, str]:
    """Run an example on a terminal and type each answer when its question stands there."""
    ours, theirs = pty.openpty()
    child = subprocess.Popen(
        command_of(line), cwd=desk, env=environment(desk), stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    )
    os.close(theirs)
    said, waiting = "", list(answers)
    try:
        with suppress(OSError):  # how a terminal tells that nobody is there any more
            while piece := os.read(ours, 4096):
                said += piece.decode()
                # The blank after the colon comes when the terminal is ready; what is typed before it is thrown away.
                if waiting and said.endswith(waiting[0][0]):
                    os.write(ours, waiting.pop(0)[1].encode())
        return child.wait(SECONDS_MAX), said
    finally:
        child.kill()
        child.wait()
        os.close(ours)


def ran(line: str, desk: Path) -> tuple[int, str]:
    """Run an example to its end; gives its exit code and all that it said."""
    name = called(line)
    if name in TYPED and "|" not in line:
        return typed(line, desk, TYPED[name])
    given = PIPED[name] if "|" in line else ""
    done = subprocess.run(
        command_of(line), cwd=desk, env=environment(desk), input=given, capture_output=True, text=True, timeout=SECONDS_MAX
    )
    return done.returncode, done.stdout + done.stderr


def asked(desk: Path, *words: str) -> str:
    command = [sys.executable, "-m", "syncjob", *words]
    return subprocess.run(command, cwd=desk, env=environment(desk), capture_output=True, text=True, timeout=SECONDS_MAX).stdout


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, dict[str, str]]]:
    """The home of a busy demo, what stands in it for invented words, and its gateway, which answers until all is done."""
    desk = tmp_path_factory.mktemp("examples")
    code, said = ran("syncjob demo --home home --scenario busy", desk)
    assert code == 3, said
    held = json.loads(asked(desk, "held", "list", "--json", "--home", "home"))
    payment = re.search(r"syncjob show (\S+)", said)
    assert payment is not None
    invoice = (desk / "home" / "books" / "invoices.csv").read_text().splitlines()[1].split(",")[0]
    (shared,) = json.loads(asked(desk, "customers", "list", "--shared-email", "--json", "--home", "home"))
    first, second, billed, *_ = shared["names"]
    waiting = json.loads(asked(desk, "matches", "list", "--json", "--home", "home"))
    credited = next(one["origin"] for one in waiting if one["left"]["currency"] == "EUR")
    states = (desk / "home" / "books" / "invoice-states.csv").read_text().splitlines()
    unpaid, other, *_ = [row.split(",")[0] for row in states if row.endswith("open") and ",EUR," in row]
    with begun("syncjob sandbox resume --home home", desk) as gateway:
        assert gateway.stdout is not None
        assert gateway.stdout.readline().startswith("ready ")
        found = {"{held}": held[0]["id"], "{payment}": payment[1], "{invoice}": invoice}
        found |= {"{edited}": a_receipt(sorted((desk / "home" / "books").glob("2*.beancount"))[0].read_text())[1]}
        sent = json.loads(asked(desk, "payouts", "list", "--json", "--home", "home"))
        found |= {"{payout}": sent[0]["payout"]}
        found |= {"{run}": asked(desk, "undo", "--home", "home").splitlines()[-1].split()[0]}
        found |= {"{credited}": credited, "{unpaid}": unpaid, "{other}": other}
        yield desk, {**found, "{first}": first, "{second}": second, "{billed}": billed}


@pytest.mark.parametrize("line", [line for line in EVERY if called(line)])
def test_the_worked_example_works(line: str, world: tuple[Path, dict[str, str]]) -> None:
    shared, known = world
    name = called(line)
    desk = shared / f"desk-{EVERY.index(line)}"
    desk.mkdir()
    if name not in HOMELESS:
        shutil.copytree(shared / "home", desk / "shop")
    prepared(name, desk)
    for pattern, word in WORDS:
        line = re.sub(pattern, word, line)
    for word, value in known.items():
        line = line.replace(word, value)
    code, said = served(line, desk) if name in ENDLESS else ran(line, desk)
    assert "Traceback" not in said, said
    assert code in ((ENDLESS[name],) if name in ENDLESS else DONE), f"{line}: {said}"
    shutil.rmtree(desk)
