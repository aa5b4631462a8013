"""A night in a home of its own: the connector at hand, with plain neighbours, from the first request to the proof.

A gateway meets the plain-text books and the CRM in a file; a target meets the gateway that syncjob invents for new connectors.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any

from syncjob import jobs
from syncjob.accounting import beancount
from syncjob.chart import Chart
from syncjob.contract.cases import LONG_AGO, GatewayCase, TargetCase, loaded
from syncjob.contract.wire import Wire
from syncjob.crm import sqlite
from syncjob.jobs import Job, Sink, Source
from syncjob.mapping import load_gateway, load_target
from syncjob.model import Role
from syncjob.plan import Ledger, Rules
from syncjob.ports import Options
from syncjob.redact import Secret
from syncjob.store import Store

_EXAMPLE = Path(__file__).parent / "examples" / "gateway"
_NAME = "acmepay"
_LATER = timedelta(hours=2)


@contextmanager
def of_gateway(case: GatewayCase) -> Iterator[tuple[Job, Wire]]:
    """The job of a home with this gateway, plain-text books and a CRM in a file."""
    gateway, wire = case.opened()
    books = beancount.connect(Options("books", case.home, {}), clock=lambda: wire.now)
    crm = sqlite.connect(Options("crm", case.home, {}), clock=lambda: wire.now)
    sinks = [_sink(books, "accounting", "beancount"), _sink(crm, "crm", "sqlite")]
    with _job(case.home, Source(gateway, case.map), sinks, _chart(beancount), wire.now) as job:
        yield job, wire


@contextmanager
def of_target(case: TargetCase) -> Iterator[tuple[Job, Wire]]:
    """The job of a home with the invented gateway and this target."""
    for kind, file in (("gateways", "map.yaml"), ("schemas", "schema.yaml")):
        folder = case.home / "mappings" / kind
        folder.mkdir(parents=True)
        shutil.copy(_EXAMPLE / file, folder / f"{_NAME}.yaml")
    module, stand_in = loaded(_EXAMPLE / "module.py"), loaded(_EXAMPLE / "stand_in.py")
    wire = Wire(stand_in.vendor(3), stand_in.NOW)
    gateway = module.connect(Options("example-gateway", case.home, {}, Secret(stand_in.SECRET)), wire.http())
    sink = _sink(case.target, case.example.group, case.example.name)
    with _job(case.home, Source(gateway, load_gateway(_NAME, case.home)), [sink], _chart(case.example.module), wire.now) as job:
        yield job, wire


def run(job: Job) -> jobs.Report:
    """One nightly run."""
    return jobs.run(job, nightly=True)


@contextmanager
def _job(home: Path, source: Source, sinks: Sequence[Sink], chart: Chart, vendors_now: datetime) -> Iterator[Job]:
    store = Store.open(str(home / "state" / "syncjob.sqlite"))
    # Later than the vendor's clock by more than any lag: what was sent can be found.
    lags = [sink.target.promises.lag + sink.target.promises.key_lifetime for sink in sinks]
    now = vendors_now + _LATER + max(lags)
    rules = Rules(UTC, "EUR", LONG_AGO, chart, tuple(sink.ledger for sink in sinks))
    try:
        yield Job(home, store, (source,), tuple(sinks), rules, time(2, 0), lambda: now, lambda: 0.0, lambda _: None)
    finally:
        store.close()


def _sink(target: Any, group: str, name: str) -> Sink:
    books = group == "accounting"
    field_map = load_target("accounting" if books else "crm", name)
    return Sink(target, Ledger(target.name, field_map, books, frozenset(target.promises.kinds)))


def _chart(books: Any) -> Chart:
    """An account for each role, in a form that these books accept: names as plain-text books have them, or numbers."""
    named = {role: f"Assets:Example:{role.value.title().replace('_', '')}" for role in Role}
    accepts = getattr(books, "accepts_account", None)
    if accepts is not None and not all(accepts(code) for code in named.values()):
        named = {role: str(1000 + 10 * place) for place, role in enumerate(Role)}
    return Chart({(role.value, "", ""): code for role, code in named.items()})
