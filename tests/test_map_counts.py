"""Maps in production: what they do is counted, and a vendor's silent change is told by the page of the same night."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from house import DoomedStore, FakeFields, FakeMap, Killed
from house import House as FakeHouse
from simulated import START, House
from test_demo import ask, served

from syncjob import config, jobs
from syncjob.cli import main
from syncjob.cli.night import keep
from syncjob.jobs import Report
from syncjob.jobs.assembly import assemble
from syncjob.jobs.maps import known, noticed, warnings
from syncjob.landing import land
from syncjob.mapping import files, judging, load_gateway
from syncjob.mapping.counting import Counting, Counts, What
from syncjob.mapping.drift import SAMPLE_MAX, Found, Listed, Watch, Watching, enums, reads, rules
from syncjob.mapping.judging import Known, judge, share
from syncjob.model import DocumentKind, Json, Kept, Raw
from syncjob.moment import zone
from syncjob.ports import Feed, Page
from syncjob.store import Store
from syncjob.summary import MapCount, MapWarning, from_json, render, to_json
from syncjob.summary import Page as Night
from syncjob.yamlfile import load

DAY = timedelta(days=1)
TODAY = date(2026, 11, 2)
SHOP = "gateways/shop"
BOOKS = "accounting/books"


# ---------------------------------------------------------------- the judgement, on bare numbers


def numbers(**counted: int) -> dict[judging.Key, int]:
    """Counts of the shop's map; charge__email="present" is spelled present__email."""
    found: dict[judging.Key, int] = {}
    for name, number in counted.items():
        what, _, field = name.partition("__")
        found[SHOP, f"charge.{field}" if field else "charge", what.replace("_", " "), ""] = number
    return found


def judged(now: Mapping[judging.Key, int], before: Mapping[judging.Key, int], unseen: int = 0) -> list[str]:
    missing = {(SHOP, "charge.email"): unseen} if unseen else {}
    return [one.why for one in judge(Known(TODAY, now, before, missing, {}))]


def test_a_field_that_always_stood_and_stands_nowhere_now_has_vanished():
    found = judged(numbers(seen=120), numbers(seen=3_204, present__email=3_140), unseen=120)
    assert found == ["charge.email stood in 98 % of 3,204 charge records before and in none of the last 120"]


@pytest.mark.parametrize(
    ("before", "unseen", "why"),
    [
        (numbers(seen=1_000, present__email=949), 500, "it stood in fewer than 95 %"),
        (numbers(seen=49, present__email=49), 500, "49 records are no baseline"),
        (numbers(seen=1_000, present__email=1_000), 19, "19 in a row may be chance"),
        ({}, 500, "a fresh installation has nothing to compare with"),
    ],
)
def test_a_field_that_may_be_missing_by_chance_is_not_called_vanished(before, unseen, why):
    assert not [one for one in judged(numbers(seen=unseen), before, unseen) if "none of the last" in one], why


def test_a_field_that_vanished_weeks_ago_is_still_told_while_the_days_before_remember_it():
    # 400 of these records are of after the change: they are no baseline, or two nights would make the loss a habit.
    assert judged(numbers(seen=40), numbers(seen=1_000, present__email=600), unseen=440) != []


def test_a_rate_that_rises_threefold_warns_and_one_that_was_always_high_does_not():
    before = numbers(read=2_000, cut__name=40)
    assert judged(numbers(read=100, cut__name=30), before) == ["charge.name was cut in 30 % of 100, before in 2 % of 2,000"]
    assert judged(numbers(read=100, cut__name=6), before) == []  # fewer than ten are an accident
    assert judged(numbers(read=300, cut__name=13), before) == []  # twice as many are a busy day
    assert judged(numbers(read=100, cut__name=30), numbers(read=49, cut__name=1)) == []  # 49 are no baseline
    assert judged(numbers(read=100, defaulted__kind=100), numbers(read=2_000, defaulted__kind=2_000)) == []
    assert judged(numbers(read=100, defaulted__kind=100), {}) == []


def test_a_rate_that_never_was_warns_from_ten_cases_on():
    assert judged(numbers(read=100, otherwise__kind=10), numbers(read=2_000)) == [
        "charge.kind was a word in no list in 10 % of 100, before in 0 % of 2,000"
    ]
    assert judged(numbers(read=100, otherwise__kind=9), numbers(read=2_000)) == []


def test_a_field_that_most_records_have_lost_is_told_even_where_some_still_have_it():
    found = judged(numbers(seen=100, present__email=30), numbers(seen=1_000, present__email=990))
    assert found == ["charge.email stands in 30 % of 100 charge records, before in 99 % of 1,000"]


def test_a_word_that_is_new_is_told_for_a_week():
    key = (SHOP, "charge.status", What.NEW_VALUE.value, "on_hold")
    for days, told in ((0, 1), (6, 1), (7, 0)):
        assert len(judge(Known(TODAY, {key: 2}, {}, {}, {key: TODAY - days * DAY}))) == told


def test_a_word_beside_an_open_list_is_told_only_where_it_was_never_seen_before():
    key = (SHOP, "charge.reason", What.OTHER_VALUE.value, "odd")
    before = numbers(seen=50)
    assert judged({key: 1}, before) == [
        "charge.reason is 'odd' (once), a word that the vendor's schema does not list and that was not seen here before"
    ]
    assert judged({key: 1}, before | {key: 1}) == []
    assert judged({key: 1}, numbers(seen=49)) == []  # on the first days every such word is new


@pytest.mark.parametrize(("part", "said"), [(0, "0 %"), (1, "under 1 %"), (5, "1 %"), (985, "99 %"), (1000, "100 %")])
def test_a_share_is_rounded_and_something_is_never_nothing(part, said):
    assert share(part, 1000) == said


# ---------------------------------------------------------------- what is watched


KEPT = Kept(
    "charge",
    tuple(tuple(one.split(".")) for one in ("id", "status", "paid", "items.name", "metadata.*", "metadata.order")),
    personal=(("billing", "email"),),
)


def charge(number: int = 1, **body: Json) -> Raw:
    at = START
    return Raw("charge", f"ch_{number}", at, at, f"payment:ch_{number}", {"id": f"ch_{number}", **body})


def watched(*raws: Raw) -> dict[Found, int]:
    watch = Watch({"charge": KEPT}, {"charge": {("status",): Listed(frozenset({"paid", "failed"}))}})
    watch.see(land(raws, {"charge": KEPT}))
    return watch.drain()


def test_each_kept_field_is_counted_where_it_is_there():
    found = watched(
        charge(status="paid", paid=False, items=[{"name": "a"}, {}], billing={"email": "a@example.com"}),
        charge(status="", paid=None, items=[{}], billing={"email": None}, metadata={"order": 17, "other": 1}),
    )
    assert found == {
        Found("charge", What.SEEN): 2,
        Found("charge.id", What.PRESENT): 2,
        Found("charge.status", What.PRESENT): 1,
        Found("charge.paid", What.PRESENT): 1,  # false is something, null is not
        Found("charge.items.name", What.PRESENT): 1,
        Found("charge.billing.email", What.PRESENT): 1,
        Found("charge.metadata.order", What.PRESENT): 1,
    }


def test_a_word_that_the_schema_does_not_list_is_counted_in_every_record_and_not_only_in_the_sample():
    ordinary = [charge(number, status="paid") for number in range(SAMPLE_MAX + 50)]
    found = watched(*ordinary, charge(9_001, status="on_hold"), charge(9_002, status="on_hold"), charge(9_003, status=7))
    assert found[Found("charge", What.SEEN)] == SAMPLE_MAX
    assert {one: number for one, number in found.items() if one.what is What.NEW_VALUE} == {
        Found("charge.status", What.NEW_VALUE, "on_hold"): 2
    }


def test_words_in_lists_are_looked_at_one_by_one_and_those_beside_an_open_list_are_counted_as_such():
    kept = Kept("charge", (("items", "name"), ("status",)))
    watch = Watch({"charge": kept}, {"charge": {("items", "name"): Listed(frozenset({"a", "b"}), open=True)}})
    watch.see(
        land(
            [charge(1, items=[{"name": "a"}, {"name": "c"}, {}]), charge(2, items=[{"name": "b"}]), charge(3)], {"charge": kept}
        )
    )
    words = {one: number for one, number in watch.drain().items() if one.value}
    assert words == {Found("charge.items.name", What.OTHER_VALUE, "c"): 1}


def test_a_field_that_holds_any_text_does_not_fill_the_state():
    found = watched(*(charge(number, status=f"{number}" * 100) for number in range(1_000, 1_100)))
    words = [one.value for one in found if one.what is What.NEW_VALUE]
    assert len(words) == 20
    assert max(map(len, words)) == 60


def test_a_held_record_is_not_looked_at():
    kept = replace(KEPT, ids=(("id",),))
    held = land([charge(id="4242424242424242"), Raw("other", "x", START, START, "x", {})], {"charge": kept})
    assert all(one.problem is not None for one in held)  # their content was not kept
    watch = Watch({"charge": kept}, {})
    watch.see(held)
    assert watch.drain() == {}


def test_the_words_of_enums_are_read_from_the_schema_with_whether_their_list_is_open():
    schema = load(
        "records:\n  refund: [id, status]\n  charge:\n    id: id\n    outcome.type: {enum: [authorized, blocked]}\n"
        "    failure_code: {enum: [expired_card], open: yes}\n",
        "schema",
    )
    assert enums(schema) == {
        "charge": {
            ("outcome", "type"): Listed(frozenset({"authorized", "blocked"})),
            ("failure_code",): Listed(frozenset({"expired_card"}), open=True),
        }
    }


def test_the_map_of_stripe_is_watched_and_names_the_line_that_reads_each_field():
    stripe = load_gateway("stripe")
    assert isinstance(stripe, Watching)
    assert isinstance(stripe, Counting)
    assert stripe.counts.map == "gateways/stripe"
    text = (Path(__file__).parent.parent / "mappings/gateways/stripe.yaml").read_text().splitlines()
    places = reads(files.read("gateways", "stripe", None).root)
    unread = [field for field in stripe.watch.fields if field not in places]
    assert unread == [] or all(".data." in one or "fee_details" in one for one in unread), unread
    assert "billing_details.email" in text[places["charge.billing_details.email"].line - 1]
    assert "status" in text[places["dispute.status"].line - 1]
    own = rules(files.read("gateways", "stripe", None).root)
    assert text[own["balance_transaction.bucket"].line - 1].strip().startswith("bucket:")


# ---------------------------------------------------------------- what is stored


def test_counts_of_a_day_add_up_and_old_days_are_dropped(store: Store):
    key = (SHOP, "charge.name", "cut", "")
    other = (SHOP, "charge.status", "new value", "on_hold")
    now = datetime(2026, 11, 2, 12, tzinfo=UTC)
    store.add_map_counts(TODAY - 91 * DAY, {key: 5}, now - 91 * DAY)
    store.add_map_counts(TODAY - DAY, {key: 2, other: 1}, now)
    store.add_map_counts(TODAY, {key: 3}, now)
    store.add_map_counts(TODAY, {key: 4, other: 2}, now)
    assert store.map_counts(TODAY, TODAY) == {key: (7, TODAY), other: (2, TODAY)}
    assert store.map_counts(TODAY - 200 * DAY, TODAY) == {key: (9, TODAY - DAY), other: (3, TODAY - DAY)}
    assert store.map_counts(TODAY + DAY, TODAY + DAY) == {}


def test_a_clock_that_runs_ahead_drops_no_day(store: Store):
    key = (SHOP, "charge.name", "cut", "")
    now = datetime(2026, 11, 2, 12, tzinfo=UTC)
    store.add_map_counts(TODAY, {key: 3}, now)
    store.add_map_counts(date(2036, 1, 1), {key: 1}, now)
    assert store.map_counts(TODAY, TODAY) == {key: (3, TODAY)}


# ---------------------------------------------------------------- a small house, run by run


class CountingMap(FakeMap):
    """The shop's map, counted and watched as a real one."""

    def __init__(self) -> None:
        self.counts = Counts(SHOP)
        self.keep = {"charge": Kept("charge", (*FakeMap.keep["charge"].fields, ("method",)))}
        self.watch = Watch(self.keep, {"charge": {("method",): Listed(frozenset({"card", "transfer"}))}})

    def read(self, stream: Any, subject: str, records: Any) -> Any:
        self.counts.note("charge", What.READ, len(records))
        return super().read(stream, subject, records)


class CountingFields(FakeFields):
    """A map of books that cuts long names."""

    def __init__(self) -> None:
        self.counts = Counts(BOOKS)

    def body(self, kind: DocumentKind, happening: Mapping[str, object]) -> dict[str, Json]:
        self.counts.note(kind.value, What.READ)
        body = super().body(kind, happening)
        if len(str(body["name"])) > 10:
            self.counts.note(f"{kind.value}.name", What.CUT)
        return body


class Shop(FakeHouse):
    """The small house with counting maps."""

    def counted(self, *, store: Any = lambda one: one, **how: Any) -> Report:
        """One run."""
        self.clock += timedelta(minutes=5)
        with self.job(store) as job:
            sinks = tuple(replace(one, ledger=replace(one.ledger, map=CountingFields())) for one in job.sinks)
            ledgers = tuple(one.ledger for one in sinks)
            sources = tuple(replace(one, map=CountingMap()) for one in job.sources)
            job = replace(job, sources=sources, sinks=sinks, rules=replace(job.rules, ledgers=ledgers))
            return jobs.run(job, **{"nightly": False, **how})

    def sell(self, day: int, number: int, **more: str) -> None:
        """So many charges on a day."""
        self.clock = START + day * DAY + timedelta(hours=1)
        for one in range(number):
            self.gateway.charge(f"ch_{day}_{one}", 10_00, **{"name": "Example", "method": "card", **more})

    def asked(self, question: Any) -> Any:
        with self.job() as job:
            return question(job)


@pytest.fixture
def shop(store_url: str, tmp_path: Path) -> Shop:
    return Shop(store_url, tmp_path)


def told(report: Report) -> list[str]:
    return [str(one) for one in report.problems]


def test_a_dropped_field_is_said_by_the_first_run_that_can_know_it_and_only_once(shop: Shop):
    for day in range(4):
        shop.sell(day, 20)
        assert told(shop.counted()) == []
    shop.sell(4, 19, method="")
    assert told(shop.counted()) == []  # not yet: nineteen in a row may be chance
    shop.gateway.charge("ch_one_more", 10_00, name="Example")
    report = shop.counted()
    why = "charge.method stood in 100 % of 80 charge records before and in none of the last 20"
    cure = "look at mappings/gateways/shop.yaml, which reads it, and at the vendor's changelog"
    assert told(report) == [f"shop: {why}; {cure}"]
    assert report.exit == 0
    shop.gateway.charge("ch_and_more", 10_00, name="Example")
    assert told(shop.counted()) == []
    assert len(shop.asked(lambda job: warnings(job.store, job.home))) == 1  # it stands until the field is back
    shop.gateway.charge("ch_back", 10_00, name="Example", method="card")
    shop.counted()
    assert shop.asked(lambda job: warnings(job.store, job.home)) == ()


def test_a_word_nobody_knows_warns_in_its_first_run_without_any_baseline(shop: Shop):
    shop.sell(0, 3)
    shop.gateway.charge("ch_new", 10_00, method="crypto")
    report = shop.counted()
    assert [one.partition("; ")[0] for one in told(report)] == [
        "shop: charge.method is 'crypto' (once), a word that the vendor's schema does not list"
    ]
    assert report.exit == 0


def test_what_is_read_again_is_not_counted_again(shop: Shop):
    shop.sell(0, 30)
    for _ in range(4):
        shop.counted()  # the feed is read with nine days of overlap each time
    now = shop.asked(lambda job: known(job.store)).now
    assert now[SHOP, "charge", "seen", ""] == 30
    assert now[SHOP, "charge", "read", ""] == 30


def test_an_ordinary_fortnight_says_nothing(shop: Shop):
    for day in range(14):
        shop.sell(day, 12 + day % 3)
        assert told(shop.counted()) == []
    assert shop.asked(lambda job: noticed(job.store)) == []


def test_a_dry_run_counts_nothing(shop: Shop):
    shop.sell(0, 3)
    shop.counted(dry=True)
    assert shop.asked(lambda job: known(job.store)) is None


def test_what_was_cut_is_noticed_until_a_page_has_told_it(shop: Shop):
    shop.sell(0, 2, name="Example Bakery of the Long Name")
    shop.counted()
    found = shop.asked(lambda job: noticed(job.store))
    assert (BOOKS, "receipt.name", "cut", 2) in found


class CountedDoom(DoomedStore):
    """The process may die at the storing of the counts, too."""

    WRITES = (*DoomedStore.WRITES, "add_map_counts")


@pytest.mark.parametrize("committed", [False, True])
def test_a_killed_run_may_lose_its_counts_and_never_doubles_them(tmp_path: Path, committed: bool):
    whole = lost = 0
    for at in range(1, 200):
        shop = Shop(str(tmp_path / f"{at}.sqlite"), tmp_path)
        shop.sell(0, 7, name="Example Bakery of the Long Name")
        died = False
        try:
            shop.counted(store=lambda store, at=at: CountedDoom(store, at, committed=committed))
        except Killed:
            died = True
        shop.counted()
        shop.counted()
        judged = shop.asked(lambda job: known(job.store))
        seen = judged.now.get((SHOP, "charge", "seen", ""), 0) if judged else 0
        read = judged.now.get((SHOP, "charge", "read", ""), 0) if judged else 0
        cut = judged.now.get((BOOKS, "receipt.name", "cut", ""), 0) if judged else 0
        assert seen <= 7
        assert read <= 7
        assert cut <= 7
        whole += seen == 7
        lost += died and seen < 7
        if not died:
            assert seen == read == 7
            break
    else:
        pytest.fail("no run came to its end")
    assert whole > 1
    assert lost > 1  # said in the docs: a killed run's counts are lost


# ---------------------------------------------------------------- the real map against the simulator


@dataclass
class Changed:
    """A gateway that has changed its records over night."""

    real: Any
    change: Any

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)

    def pages(self, feed: Feed, window: Any, resume: str | None) -> Iterator[Page]:
        for page in self.real.pages(feed, window, resume):
            yield replace(page, records=tuple(replace(raw, body=self.change(raw)) for raw in page.records))


def without_email(raw: Raw) -> Mapping[str, Json]:
    body: dict[str, Any] = dict(raw.body)
    if raw.type == "charge" and isinstance(body.get("billing_details"), dict):
        body["billing_details"] = {name: one for name, one in body["billing_details"].items() if name != "email"}
    return body


def with_a_long_description(raw: Raw) -> Mapping[str, Json]:
    return {**raw.body, "description": "Example order, " * 60} if raw.type == "charge" else raw.body


def declined(raw: Raw) -> Mapping[str, Json]:
    return {**raw.body, "status": "declined"} if raw.type == "charge" else raw.body


def as_it_is(raw: Raw) -> Mapping[str, Json]:
    return raw.body


class Home(House):
    """A home that reads the simulator, and the page of each night."""

    def night(self, change: Any) -> tuple[Report, Night]:
        settings = config.read(self.folder)
        store = Store.open(settings.state, create=True)
        pages: list[Night] = []
        try:
            job = assemble(settings, store, {**os.environ, "KEY": "sk_test_sandbox"})
            sources = tuple(replace(one, gateway=Changed(one.gateway, change)) for one in job.sources)
            job = replace(job, sources=sources, sleep=lambda _: None)
            report = jobs.run(job, nightly=True, keep=lambda report: pages.append(keep(settings, store, report)))
            return report, pages[0]
        finally:
            store.close()


@pytest.fixture(scope="module")
def nights(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[tuple[Report, Night]]]:
    """Ten days of a shop and four more, four without the payer's e-mail address, one with long texts, and one more."""
    folder = tmp_path_factory.mktemp("home")
    clock = (START + 10 * DAY).isoformat()
    with served("stripe", "--port", 0, "--scenario", "bulk", "--charges", 300, "--clock", clock) as url:
        home = Home(folder, url, [], whole=False)
        found = [home.night(as_it_is)]
        ask(url, "advance", {"seconds": 4 * 86_400})
        found.append(home.night(as_it_is))
        ask(url, "advance", {"seconds": 4 * 86_400})
        found.append(home.night(without_email))
        ask(url, "advance", {"seconds": 86_400})
        found.append(home.night(lambda raw: with_a_long_description(replace(raw, body=without_email(raw)))))
        ask(url, "advance", {"seconds": 86_400})
        found.append(home.night(without_email))
    return folder, found


def test_a_night_like_the_others_has_no_section_about_maps(nights):
    for _, page in nights[1][:2]:
        assert page.map_warnings == ()
        assert "Maps:" not in render(page, zone("UTC"))


def test_a_vendor_who_drops_a_field_is_told_by_the_page_of_the_same_night(nights):
    report, page = nights[1][2]
    said = {one.field: one for one in page.map_warnings}
    warned = said["charge.billing_details.email"]
    assert "stood in 100 % of" in warned.why
    places = reads(files.read("gateways", "stripe", None).root)
    line = places["charge.billing_details.email"].line
    assert warned.cure == f"look at mappings/gateways/stripe.yaml:{line}, which reads it, and at the vendor's changelog"
    text = render(page, zone("UTC"))
    assert "Maps: 1 warning" in text
    assert max(len(one) for one in text.splitlines()) <= 80
    assert report.exit == nights[1][1][0].exit  # a warning alone changes no exit code
    assert set(said) == {"charge.billing_details.email"}


def test_the_page_counts_what_was_cut_since_the_last_page_and_the_next_page_does_not(nights):
    pages = [page for _, page in nights[1]]
    cut = {one.field: one.number for one in pages[3].map_counts if (one.map, one.what) == ("accounting/beancount", "cut")}
    assert cut["receipt.narration"] >= 10
    assert f"receipt.narration cut {cut['receipt.narration']}" in " ".join(render(pages[3], zone("UTC")).split())
    assert [one for page in (*pages[:3], pages[4]) for one in page.map_counts if one.what == "cut"] == []
    rose = [one for one in pages[3].map_warnings if one.map == "accounting/beancount"]
    assert [(one.field, one.what) for one in rose] == [("receipt.narration", "cut")]
    assert rose[0].cure.startswith("look at mappings/accounting/beancount.yaml:9; compare with: syncjob mapping stats")


def test_a_new_word_in_a_field_that_decides_is_told_although_no_rule_minds_it(tmp_path: Path):
    # A charge tells of a failed payment where its status is failed: one that is declined would pass for one that went well.
    with served("stripe", "--port", 0, "--scenario", "bulk", "--charges", 20, "--clock", (START + DAY).isoformat()) as url:
        report, page = Home(tmp_path, url, [], whole=False).night(declined)
    assert report.exit == 0
    warned = [one for one in page.map_warnings if one.field == "charge.status"]
    assert [one.value for one in warned] == ["declined"]
    assert warned[0].why.startswith("charge.status is 'declined' (")
    assert warned[0].why.endswith("a word that the vendor's schema does not list")
    text = (Path(__file__).parent.parent / "mappings/gateways/stripe.yaml").read_text().splitlines()
    line = int(warned[0].cure.partition("stripe.yaml:")[2].partition(",")[0])
    assert "when: {status: failed}" in text[line - 1]
    assert "Maps: 1 warning" in render(page, zone("UTC"))


def test_status_and_stats_tell_the_same(nights, capsys: pytest.CaptureFixture[str]):
    folder = str(nights[0])
    main(["status", "--home", folder])
    assert "3 warnings about gateways/stripe, accounting/beancount, crm/sqlite: syncjob mapping stats" in " ".join(
        capsys.readouterr().out.split()
    )
    main(["status", "--json", "--home", folder])
    warned = [one["field"] for one in json.loads(capsys.readouterr().out)["maps"]["warnings"]]
    assert len(warned) == 3
    assert {"charge.billing_details.email", "receipt.narration"} <= {*warned}
    assert main(["mapping", "stats", "gateways/stripe", "--home", folder]) == 0
    text = capsys.readouterr().out
    assert max(len(one) for one in text.splitlines()) <= 80
    assert "billing_details.email         there" in text
    assert "billing_details.name" not in text  # as often there as before
    assert "which reads it, and at the vendor's changelog" in " ".join(text.split())
    assert main(["mapping", "stats", "gateways/stripe", "--all", "--home", folder]) == 0
    assert "billing_details.name" in capsys.readouterr().out
    assert main(["mapping", "stats", "--json", "--days", "5", "--home", folder]) == 0
    said = json.loads(capsys.readouterr().out)
    email = [one for one in said["counts"] if one["field"] == "billing_details.email" and one["what"] == "present"]
    assert email[0]["now"] == 0 < email[0]["before"]
    assert main(["mapping", "stats", "crm/nowhere", "--home", folder]) == 2
    assert "counted are: " in capsys.readouterr().err


# ---------------------------------------------------------------- how it looks


def a_day_with_map_warnings() -> Night:
    look = "look at mappings/gateways/stripe.yaml:194, which reads it, and at the vendor's changelog"
    gone = "charge.billing_details.email stood in 98 % of 3,204 charge records before and in none of the last 120"
    new = "dispute.status is 'parked' (3 times), a word that the vendor's schema does not list"
    return Night(
        made_at=datetime(2026, 11, 3, tzinfo=UTC),
        zone="Europe/Berlin",
        places=(),
        map_warnings=(
            MapWarning("gateways/stripe", "charge.billing_details.email", "vanished", "", gone, look),
            MapWarning("gateways/stripe", "dispute.status", "new value", "parked", new, look.replace("194", "232")),
        ),
        map_counts=(
            MapCount("accounting/beancount", "receipt.narration", "cut", 3),
            MapCount("accounting/beancount", "receipt.payee", "replaced", 1_204),
            MapCount("crm/sqlite", "contact.country", "otherwise", 1),
            MapCount("gateways/stripe", "balance_transaction.bucket", "defaulted", 120),
        ),
    )


def test_the_page_with_warnings_reads_as_its_golden_file(request: pytest.FixtureRequest):
    text = render(a_day_with_map_warnings(), zone("Europe/Berlin"))
    golden = Path(__file__).parent / "fixtures" / "summary" / "a_day_with_map_warnings.txt"
    if request.config.getoption("--write-expected", default=False):
        golden.write_text(text)
    assert text == golden.read_text()
    assert max(len(line) for line in text.splitlines()) <= 80


def test_the_json_page_holds_warnings_and_counts_and_comes_back_whole():
    page = a_day_with_map_warnings()
    said = json.loads(json.dumps(to_json(page)))
    assert from_json(said) == page
    assert said["maps"]["counts"][-1] == {
        "map": "gateways/stripe", "field": "balance_transaction.bucket", "what": "defaulted", "number": 120,
    }  # fmt: skip
    del said["maps"]  # a page that an older version has kept
    assert from_json(said).map_warnings == ()


def test_defaults_alone_are_no_news():
    page = replace(a_day_with_map_warnings(), map_warnings=(), map_counts=a_day_with_map_warnings().map_counts[-1:])
    assert "Maps" not in render(page, zone("Europe/Berlin"))
