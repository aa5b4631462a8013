"""A home's configuration put together into a job: connectors with their maps, secrets resolved, real clocks."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping
from datetime import UTC, datetime

from syncjob import config as blocks
from syncjob import mapping, secrets
from syncjob.config import Config
from syncjob.errors import Misconfigured
from syncjob.http import Http, Meter
from syncjob.jobs.job import Job, Sink, Source
from syncjob.jobs.opening import with_starts
from syncjob.plan import Ledger, Rules
from syncjob.ports import Foreign
from syncjob.store import Store


def assemble(config: Config, store: Store, environ: Mapping[str, str]) -> Job:
    """Put the job of a home together. Raises Misconfigured before any request where something does not fit."""
    http = Http(
        "https://localhost",
        sleep=time.sleep,
        monotonic=time.monotonic,
        now=lambda: datetime.now(UTC),
        random=random.random,
        meter=Meter(),
    )
    sources, treatments = [], {}
    for block in config.of("gateways"):
        chosen = blocks.options(config, block, environ)
        field_map = mapping.load_gateway(block.connector, config.home)
        print_ = secrets.fingerprint(chosen.secret, block.name) if chosen.secret else ""
        sources.append(Source(blocks.module(block).connect(chosen, http), field_map, print_))
        treatments[block.name] = config.treatment(block)
    sinks = []
    for group in ("accounting", "crm"):
        for block in config.of(group):
            target = blocks.module(block).connect(blocks.options(config, block, environ), http)
            if block.booking.shadow and not isinstance(target, Foreign):
                why = "these books do not show what others booked, so nothing could be compared"
                raise Misconfigured(f"{block.place}: {block.name} is in shadow, but {why}; leave shadow: out")
            target_map = mapping.load_target(group, block.connector, config.home)
            kinds = frozenset(target.promises.kinds)
            sinks.append(Sink(target, Ledger(block.name, target_map, group == "accounting", kinds, block.booking)))
    ledgers = tuple(sink.ledger for sink in sinks)
    rules = Rules(
        *(config.zone, config.home_currency, config.start, config.chart, ledgers),
        treatments=treatments,
        ladder=config.matching,
    )
    return Job(
        home=config.home,
        store=store,
        sources=tuple(sources),
        sinks=tuple(sinks),
        rules=with_starts(rules, store, [one.name for one in sources]),
        nightly_at=config.nightly_at,
        now=lambda: datetime.now(UTC),
        monotonic=time.monotonic,
        sleep=time.sleep,
    )
