"""The same configuration against a server that others wrote: what it lacks is not offered and not covered, never zero.

Our own simulator cannot show what happens where a server lacks a list, since we wrote it with the connector in mind.
"""

from __future__ import annotations

import csv
import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from second_server import KEY, Server, is_installed, second_server

from syncjob.cli.demo import simulator
from syncjob.cli.setup import write_home
from syncjob.gateways.stripe import Stripe

pytestmark = pytest.mark.skipif(not is_installed(), reason="localstripe is not installed; the extra 'test' brings it")

ROOT = Path(__file__).parent.parent
RUN_SECONDS_MAX = 120
# Events are kept for 30 days: a start from before makes the first run read the object lists too.
START = datetime.now(UTC) - timedelta(days=40)
LISTS = tuple(feed.name for feed in Stripe.feeds if feed.fills)
AUTHORISED = {"Authorization": f"Bearer {KEY}"}
Done = subprocess.CompletedProcess[str]


# ---------------------------------------------------------------- a small trade, and a home


def trade(server: Server) -> None:
    """A bakery pays an invoice by card, another order, gets some of it back, and takes out a subscription."""
    bakery = server.make("customers", name="Example Bakery", email="bakery@example.com")["id"]
    card = {"card__number": "4242424242424242", "card__exp_month": "12", "card__exp_year": "2040", "card__cvc": "123"}
    method = server.make("payment_methods", type="card", **card)["id"]
    server.make(f"payment_methods/{method}/attach", customer=bakery)
    server.make(f"customers/{bakery}", invoice_settings__default_payment_method=method)
    money = {"currency": "eur", "customer": bakery}
    server.make("charges", amount="5000", source=method, metadata__invoice_number="INV-1", **money)
    order = server.make("payment_intents", amount="7000", payment_method=method, confirm="true", **money)
    server.make("refunds", payment_intent=order["id"], amount="1000")
    bread = server.make("products", name="Bread", type="service")["id"]
    server.make("plans", id="monthly", amount="900", currency="eur", interval="month", product=bread)
    server.make("subscriptions", customer=bakery, items__0__plan="monthly")
    server.make("invoiceitems", amount="3000", **money)
    invoice = server.make("invoices", customer=bakery)["id"]
    server.make(f"invoices/{invoice}/pay")


def home_of(folder: Path, url: str) -> Path:
    """A fresh home for whichever server is at this address; its books know one invoice."""
    start = START.strftime("%Y-%m-%dT00:00:00Z")
    write_home(
        folder, zone="Europe/Berlin", currency="EUR", start=start, gateway="shop", key="file:state/shop.key",
        more={"base_url": url},
    )  # fmt: skip
    key = folder / "state" / "shop.key"
    key.write_text(f"{KEY}\n")
    key.chmod(0o600)
    with (folder / "books" / "invoices.csv").open("a", encoding="utf-8", newline="") as file:
        day = START.date().isoformat()
        csv.writer(file, lineterminator="\n").writerow(
            ["INV-1", "Example Bakery", "bakery@example.com", "EUR", "50.00", day, day]
        )
    return folder


def syncjob(home: Path, *arguments: str) -> Done:
    command = [sys.executable, "-m", "syncjob", "--home", str(home), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=RUN_SECONDS_MAX, cwd=ROOT)
    assert "Traceback" not in done.stdout + done.stderr
    return done


def contents(folder: Path) -> Mapping[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def lacks(server: Server) -> list[str]:
    """The lists that this server does not know; another version of it may know more."""
    return [name for name in LISTS if server.answer("GET", f"/v1/{name}", headers=AUTHORISED).status == 404]


# ---------------------------------------------------------------- the server itself


@pytest.fixture(scope="module")
def shop() -> Iterator[Server]:
    with second_server() as server:
        trade(server)
        yield server


def test_the_layer_lists_newest_first_and_pages_and_filters_as_stripe_does() -> None:
    with second_server() as server:
        made = [server.make("customers", name=f"Example Customer {number}")["id"] for number in range(5)]
        made.reverse()
        assert [row["id"] for row in server.rows("customers")] == made
        assert [row["id"] for row in server.rows("customers", limit="2")] == made[:2]
        assert [row["id"] for row in server.rows("customers", limit="2", starting_after=made[1])] == made[2:4]
        whole = server.answer("GET", "/v1/customers?limit=4", headers=AUTHORISED).body
        last = server.answer("GET", f"/v1/customers?limit=4&starting_after={made[3]}", headers=AUTHORISED).body
        assert (whole["has_more"], last["has_more"]) == (True, False)
        newest, oldest = (server.rows("customers")[at]["created"] for at in (0, -1))
        bounds = {"created[gte]": oldest, "created[gt]": oldest - 1, "created[lte]": newest, "created[lt]": newest + 1}
        for name, bound in bounds.items():
            assert [row["id"] for row in server.rows("customers", **{name: str(bound)})] == made
        for name, bound in {"created[gt]": newest, "created[lt]": oldest, "created": oldest - 1}.items():
            assert server.rows("customers", **{name: str(bound)}) == []
        gone = server.answer("GET", "/v1/customers?starting_after=cus_gone", headers=AUTHORISED)
        assert (gone.status, gone.body["error"]["code"]) == (400, "resource_missing")
        assert {row["type"] for row in server.rows("events", **{"types[]": "customer.created"})} == {"customer.created"}


def test_what_the_server_lacks_is_answered_by_the_server_and_not_by_the_layer(shop: Server) -> None:
    nowhere = shop.answer("GET", "/v1/no_such_list", headers=AUTHORISED)
    assert nowhere.status == 404
    assert lacks(shop)
    assert [shop.answer("GET", f"/v1/{name}", headers=AUTHORISED) for name in lacks(shop)] == [nowhere] * len(lacks(shop))
    assert shop.answer("GET", "/v1/balance", headers=AUTHORISED).body.get("object") is None  # nothing that Stripe would say


# ---------------------------------------------------------------- what syncjob makes of it


@dataclass(frozen=True)
class Night:
    """A home of the second server, what each command said there, and the books after the night and after one more tick."""

    checked: Done
    ran: Done
    ticked: Done
    shown: Done
    told: Done
    status: tuple[Done, Done]
    books: tuple[Mapping[str, bytes], Mapping[str, bytes]]

    @property
    def page(self) -> Any:
        """The page of the night as programs read it."""
        assert self.told.returncode == 0, self.ran.stderr + self.told.stderr
        return json.loads(self.told.stdout)

    @property
    def text(self) -> str:
        """The page of the night as people read it."""
        assert self.shown.returncode == 0, self.ran.stderr + self.shown.stderr
        return self.shown.stdout


@pytest.fixture(scope="module")
def night(shop: Server, tmp_path_factory: pytest.TempPathFactory) -> Night:
    home = home_of(tmp_path_factory.mktemp("second") / "home", shop.url)
    checked = syncjob(home, "check", "--live")
    ran = syncjob(home, "run", "--nightly")
    after_night = contents(home / "books")
    ticked = syncjob(home, "run")
    shown, told = syncjob(home, "summary"), syncjob(home, "summary", "--json")
    status = (syncjob(home, "status"), syncjob(home, "status", "--json"))
    return Night(checked, ran, ticked, shown, told, status, (after_night, contents(home / "books")))


def test_the_configuration_differs_from_our_simulators_in_its_address_only(shop: Server, tmp_path: Path) -> None:
    with simulator("quiet", 1, 0) as url:
        ours = home_of(tmp_path / "ours", url)
        fits = syncjob(ours, "check", "--live")
    assert (fits.returncode, fits.stdout) == (0, "everything fits\n")
    theirs = home_of(tmp_path / "theirs", shop.url)
    before, after = ({name: text.decode() for name, text in contents(home).items()} for home in (ours, theirs))
    assert {name: text.replace(url, shop.url) for name, text in before.items()} == after
    assert before["syncjob.yaml"].count(url) == 1


def test_a_check_names_each_list_that_is_not_offered(shop: Server, night: Night) -> None:
    assert night.checked.returncode == 6
    said = night.checked.stdout.splitlines()
    assert all("not offered" in line for line in said), said
    named = {name for line in said for name in re.findall(r"/v1/(\w+):", line)}
    assert named == {"account", "balance", *lacks(shop)}


def test_a_run_says_once_what_is_not_offered_and_ends_with_3(shop: Server, night: Night) -> None:
    assert (night.ran.returncode, night.ran.stdout) == (3, "")
    said = night.ran.stderr.splitlines()
    named = [name for line in said for name in re.findall(r"(\w+) is not offered", line)]
    assert sorted(named) == sorted(["balance", *lacks(shop)]), said
    assert len(said) == len(named)


def test_a_tick_does_not_say_again_what_is_not_offered_and_still_ends_with_3(night: Night) -> None:
    assert (night.ticked.returncode, night.ticked.stdout, night.ticked.stderr) == (3, "", "")


def test_the_status_names_what_is_not_offered(shop: Server, night: Night) -> None:
    text, told = night.status
    (source,) = json.loads(told.stdout)["sources"].values()
    assert source["not_offered"] == sorted(["balance", *lacks(shop)])
    assert f"not offered there, so not covered: {', '.join(source['not_offered'])}" in " ".join(text.stdout.split())
    assert set(source["feeds"]) == {"balance_transactions", "billing_events", "events"}


def test_a_backfill_reads_what_is_offered_and_says_what_is_not(shop: Server, tmp_path: Path) -> None:
    home = home_of(tmp_path / "home", shop.url)
    assert syncjob(home, "run").returncode == 3
    before = contents(home / "books")
    today = datetime.now(UTC).date()
    done = syncjob(home, "backfill", "--from", f"{today - timedelta(days=1)}", "--to", f"{today + timedelta(days=1)}")
    assert done.returncode == 3, done.stderr
    assert sorted(re.findall(r"(\w+) is not offered", done.stderr)) == sorted(lacks(shop))
    assert contents(home / "books") == before


def test_all_that_is_offered_arrives_and_once(shop: Server, night: Night) -> None:
    ledger = shop.rows("balance_transactions", limit="100")
    moved = {kind: sum(row["amount"] for row in ledger if row["type"] == kind) for kind in ("charge", "refund")}
    assert moved == {"charge": sum(row["amount"] for row in shop.rows("charges")), "refund": -1000}
    page = night.page
    [place] = page["balances"]
    rows = {row["name"]: Decimal(row["amount"]["amount"]) for row in place["rows"]}
    assert (rows["Payments"], rows["Refunds"]) == (Decimal(moved["charge"]) / 100, Decimal(moved["refund"]) / 100)
    assert place["closes"]
    [books] = place["books"]
    assert Decimal(books["difference"]["amount"]) == 0
    assert books["stated"] == place["closing"]
    [invoices] = page["invoices"]
    assert (invoices["paid"], invoices["open"]) == (1, 0)
    assert (page["held"], page["complaints"]) == ([], [])
    assert night.books[0] == night.books[1]


def test_the_page_says_what_is_not_covered_by_name(shop: Server, night: Night) -> None:
    wanted = {("shop", name) for name in ("balance", *lacks(shop))}
    assert {(one["source"], one["what"]) for one in night.page["not_covered"]} == wanted
    shown = " ".join(night.text.split())
    found = re.search(r"Not covered: shop does not offer ([\w, ]+)\.", shown)
    assert found is not None, night.text
    assert set(found[1].split(", ")) == {name for _, name in wanted}


def test_what_cannot_be_proven_is_never_zero(shop: Server, night: Night) -> None:
    page = night.page
    [place] = page["balances"]
    gateway = place["gateway"]
    assert (gateway["provable"], gateway["stated"], gateway["difference"], gateway["unexplained"]) == (False, None, None, None)
    assert place["opening"] is None
    assert not page["agrees"]
    assert {row["name"].lower() for row in place["rows"]} & set(lacks(shop)) == set()
    assert "agree to the last cent" not in night.text
    for label in ("Opening balance", "Gateway states", "Difference", "Disputes"):
        cells = [line.removeprefix(label) for line in night.text.splitlines() if line.startswith(label)]
        assert not re.search(r"\d", "".join(cells)), f"{label}: {cells}"


def test_a_server_without_the_ledger_is_left_with_one_sentence_and_no_page_shows_zeros(tmp_path: Path) -> None:
    with second_server(without=["balance_transactions"]) as server:
        trade(server)
        home = home_of(tmp_path / "home", server.url)
        done = syncjob(home, "run", "--nightly")
        assert (done.returncode, done.stdout) == (5, "")
        [sentence] = done.stderr.splitlines()
        assert "balance_transactions is not offered" in sentence
        assert "look at base_url" in sentence
        shown = syncjob(home, "summary")
        assert "0.00" not in shown.stdout
