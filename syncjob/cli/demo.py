"""demo and sandbox: the whole job against a simulated gateway, and the simulator by itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

import click

from syncjob.cli.command import Verbs, example, frame, verb
from syncjob.errors import EXIT_OK, ConnectorDown, Misconfigured

if TYPE_CHECKING:
    from syncjob.config import Config
    from syncjob.summary.page import Page

SCENARIOS = ("tidy", "busy")
SERVED = (*SCENARIOS, "quiet", "bulk", "whole")
GATEWAY = "stripe-demo"
ZONE = "Europe/Berlin"
NOTE = Path("state") / "sandbox.json"
SIMULATOR_SECONDS_MAX = 600  # it ends by itself, should we be killed
_UNITS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}


@verb("demo", "syncjob demo", "syncjob demo --home /tmp/shop --scenario busy")
@click.option("--scenario", type=click.Choice(SCENARIOS), default="tidy", show_default=True, help="What has happened.")
@click.option("--seed", type=int, default=1, show_default=True, help="Another seed, other amounts.")
@click.option("--port", type=click.IntRange(0, 65_535), default=0, help="Port of the simulator (0: any free one).")
def demo(scenario: str, seed: int, port: int) -> int:
    """Run the whole job once against a simulated Stripe.

    A new folder is made and named, or --home gives one that is empty or does not exist. It is an ordinary nightly run over
    real HTTP; nothing leaves this machine.
    """
    home = _fresh(frame().home if frame().home_named else None)
    with simulator(scenario, seed, port) as url:
        _furnish(home, scenario, seed, url)
        from syncjob.cli.house import configured
        from syncjob.cli.running import Wish, once

        config = configured(home)
        report, page = once(config, Wish(nightly=True))
    _show(config, page, scenario)
    return report.exit


def _fresh(home: Path | None) -> Path:
    if home is None:
        return Path(tempfile.mkdtemp(prefix="syncjob-"))
    if home.exists() and not home.is_dir():
        raise Misconfigured(f"{home} is no folder, and the demo wants a fresh home; name an empty folder or none")
    if home.exists() and any(home.iterdir()):
        raise Misconfigured(f"{home} is not empty, and the demo wants a fresh home; name an empty folder or none")
    return home


@contextmanager
def simulator(scenario: str, seed: int, port: int) -> Iterator[str]:
    """The simulator in a process of its own, for as long as the block lasts; gives its base URL."""
    command = [sys.executable, "-m", "syncjob.sandbox.stripe", "--scenario", scenario, "--seed", str(seed)]
    command += ["--port", str(port), "--max-seconds", str(SIMULATOR_SECONDS_MAX)]
    # In a session of its own: Ctrl-C reaches the run, which ends in good order while its gateway still answers.
    child = subprocess.Popen(  # noqa: S603 - our own program
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        out, err = cast("IO[str]", child.stdout), cast("IO[str]", child.stderr)
        line = out.readline().split()
        if line[:1] != ["ready"]:
            child.wait(10)
            why = (err.read().strip().splitlines() or ["it said nothing"])[-1]
            raise Misconfigured(f"the simulator did not start on port {port}: {why}; choose another --port")
        yield line[1]
    finally:
        child.terminate()
        try:
            child.wait(10)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        for pipe in (child.stdout, child.stderr):
            if pipe is not None:
                pipe.close()


def _asked(url: str, route: str) -> Any:
    """What the simulator's own routes answer; they are no gateway's, so the connectors' HTTP does not know them."""
    from urllib.request import ProxyHandler, build_opener

    try:
        with build_opener(ProxyHandler({})).open(f"{url}/_sandbox/{route}", timeout=10) as answer:
            return json.load(answer)
    except OSError as wrong:
        raise ConnectorDown(f"the simulator at {url} does not answer: {wrong}; start the demo again") from wrong


def _furnish(home: Path, scenario: str, seed: int, url: str) -> None:
    """Write the demo's home: configuration, key, invoices, and what is needed to start the same world again."""
    import csv

    from syncjob import moment
    from syncjob.cli.setup import write_home

    clock = _asked(url, "clock")
    start = moment.iso(moment.from_seconds(clock["start"]))
    more = {"base_url": url}
    write_home(home, zone=ZONE, currency="EUR", start=start, gateway=GATEWAY, key="file:state/sandbox.key", more=more)
    key = os.open(home / "state" / "sandbox.key", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(key, "w") as file:
        file.write("sk_test_sandbox\n")
    with (home / "books" / "invoices.csv").open("a", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        for one in _asked(url, "invoices"):
            rows.writerow([one[name] for name in ("number", "customer", "email", "currency", "total", "issued", "due")])
    port = int(url.rpartition(":")[2])
    _remember(home, {"scenario": scenario, "seed": seed, "port": port, "clock": clock["clock"]})


def _remember(home: Path, world: dict[str, Any]) -> None:
    path = home / NOTE
    part = path.with_suffix(".part")
    part.write_text(json.dumps(world, indent=2) + "\n")
    part.replace(path)


def _show(config: Config, page: Page | None, scenario: str) -> None:
    from syncjob.summary import render

    if page is not None:
        click.echo(render(page, config.zone, held_lines_max=2, brief=True), nl=False)
    else:
        click.echo("The night's page is missing, because the run did not come to its end.")
    home = _shown(config.home)
    word = "A tidy scenario: nothing is held" if scenario == "tidy" else "A busy scenario: some of it is held"
    click.echo(f"{word}. All of it is in {home}" if page is not None else f"What there is of it is in {home}")
    click.echo("  books: books/main.beancount   CRM: crm.sqlite   state: state/syncjob.sqlite")
    called = _called()
    click.echo(f"  {called} show {_a_payment(config)} --home {home}")
    if scenario == "busy":
        click.echo(f"  {called} held list --home {home}")
    click.echo(f"  {called} sandbox resume --home {home} --advance 3d")


def _called() -> str:
    """What to type for syncjob here: a newcomer's environment is rarely active, and a plain `syncjob` would not be found."""
    import shutil

    if shutil.which("syncjob"):
        return "syncjob"
    program = Path(sys.argv[0])
    return _shown(program) if program.name == "syncjob" else "python -m syncjob"


def _shown(home: Path) -> str:
    """A folder as a person would type it from here."""
    import shlex

    here = os.path.relpath(home)
    return shlex.quote(min((str(home), here), key=len) if not here.startswith("..") else str(home))


def _a_payment(config: Config) -> str:
    """The id of a payment that an invoice asked for, else of any payment."""
    from syncjob.cli.house import opened

    found = "ID"
    with opened(config) as store:
        for subject in store.all_subjects(GATEWAY):
            if subject.name.startswith("payment:"):
                found = subject.name.partition(":")[2]
                story = store.stories([subject])[0]
                if any(part.invoice for one in story.applications for part in one.parts):
                    break
    return found


# ---------------------------------------------------------------- the simulator by itself


@verb("stripe", "syncjob sandbox stripe --port 12111 --scenario busy --seed 7")
@click.option("--port", type=click.IntRange(0, 65_535), default=0, help="Port on 127.0.0.1 (0: any free one).")
@click.option("--scenario", type=click.Choice(SERVED), default="tidy", show_default=True, help="What happens.")
@click.option("--seed", type=int, default=1, show_default=True, help="Another seed, other amounts.")
@click.option("--charges", type=click.IntRange(1), help='Size of the scenario "bulk".')
@click.option("--clock", default="", metavar="TIME", help="Where its clock stands: 2026-11-03T06:00:00Z.")
def stripe(port: int, scenario: str, seed: int, charges: int | None, clock: str) -> int:
    """Serve a simulated Stripe account until Ctrl-C.

    Its clock stands still until it is told to move. The key is sk_test_sandbox.
    """
    at = _seconds(clock) if clock else None
    return _serve({"port": port, "scenario": scenario, "seed": seed, "charges": charges, "clock": at}, click.echo)


def _seconds(text: str) -> int:
    from syncjob.errors import RecordRefused
    from syncjob.moment import from_text, seconds

    try:
        return seconds(from_text(text))
    except RecordRefused as wrong:
        raise Misconfigured(f"--clock: {wrong}") from wrong


def _serve(world: dict[str, Any], announce: Any) -> int:
    from syncjob.sandbox import stripe as simulated

    try:
        return simulated.main(**world, announce=announce)
    except OSError as wrong:
        cure = "is another simulator running there? stop it, or choose another port"
        raise Misconfigured(f"port {world['port']} cannot be served: {wrong.strerror}; {cure}") from wrong


@verb("resume", "syncjob sandbox resume --home /tmp/shop --advance 3d")
@click.option("--advance", default="", metavar="SPAN", help="Let so much time pass first: 3d, 12h, 90m.")
def resume(advance: str) -> int:
    """Serve a demo's world again on the same port.

    --advance moves its clock on, for good: what happens in between is there for the next run.
    """
    home = frame().home
    step = _span(advance) // timedelta(seconds=1)
    try:
        world: dict[str, Any] = json.loads((home / NOTE).read_text())
        wish = {"port": int(world["port"]), "scenario": str(world["scenario"]), "seed": int(world["seed"])}
        clock = int(world["clock"]) + step
    except (OSError, ValueError, KeyError, TypeError) as wrong:
        cure = "make one with: syncjob demo --home DIR"
        raise Misconfigured(f"{home / NOTE} does not tell which world to start; {cure}") from wrong

    def ready(line: str) -> None:
        # Only a world that is being served has moved on; a port in use has not cost a day.
        _remember(home, {**world, "clock": clock})
        click.echo(line)
        click.echo(f"Its clock stands at {_told(clock)}; Ctrl-C stops it. In another terminal:")
        click.echo(f"  syncjob run --home {_shown(home)}")

    return _serve({**wish, "charges": None, "clock": clock}, ready) or EXIT_OK


def _told(clock: int) -> str:
    from syncjob import moment

    instant: datetime = moment.from_seconds(clock)
    return moment.iso(instant)


def _span(text: str) -> timedelta:
    number, unit = text[:-1], text[-1:]
    if not text:
        return timedelta(0)
    if not (number.isascii() and number.isdigit() and len(number) <= 6 and unit in _UNITS):
        raise Misconfigured(f"--advance is {text!r}; write a number and d, h, m or s, such as 3d")
    return timedelta(seconds=int(number) * _UNITS[unit])


sandbox = Verbs(
    "sandbox",
    commands=[stripe, resume],
    sections={"Commands": ("stripe", "resume")},
    help="""Serve a simulated gateway on this machine.

    It runs until Ctrl-C. Real money is never involved.""",
    short_help="Serve a simulated gateway on this machine.",
    epilog=example("syncjob sandbox stripe --port 12111 --scenario tidy"),
)
