"""Each payout is what the gateway says it pays out, movement by movement; what does not tie is listed with the items."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import responses
from hypothesis import given
from hypothesis import strategies as st
from simulated import START, House
from stories import NOON, eur
from stripe_vendor import Body, answers, listed, opened, transaction
from test_demo import ask, served

from syncjob import config, jobs
from syncjob.cli import main
from syncjob.errors import EXIT_HELD, EXIT_OK, ConnectorDown, TryLater
from syncjob.jobs.payouts import LONG_AGO, ties
from syncjob.money import Money
from syncjob.ports import PaidOut
from syncjob.reconcile import Payout, Posted, Reason, Tie, Ties, tied
from syncjob.store import Store

END = datetime(2026, 11, 3, 6, tzinfo=UTC)
PAYOUT = Payout("shop", "po_1", date(2026, 10, 6), NOON, eur(96_80))


def out(id: str, minor: int, currency: str = "EUR", at: datetime = NOON) -> PaidOut:
    return PaidOut(id, Money(minor, currency), at)


def told(tie: Tie) -> list[tuple[str, int, str]]:
    return [(item.name, item.amount.minor, str(item.reason)) for item in tie.items]


# ---------------------------------------------------------------- values


def test_gross_less_fees_and_refunds_is_the_payout_and_each_part_is_told() -> None:
    ours = {"txn_1": Posted("payment", 96_80, 3_20), "txn_2": Posted("payment", 9_70, 30), "txn_3": Posted("refund", -9_70)}
    tie = tied(PAYOUT, [out("txn_1", 96_80), out("txn_2", 9_70), out("txn_3", -9_70)], ours, LONG_AGO)
    assert (tie.state, tie.items, tie.total) == (Ties.TIES, (), PAYOUT.amount)
    assert [(part.kind, part.count, part.amount.minor) for part in tie.parts] == [
        ("fees", 2, -3_50), ("payment", 2, 110_00), ("refund", 1, -9_70),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("composed", "items"),
    [
        ([out("txn_1", 96_80), out("txn_9", 5_00)], [("txn_9", 5_00, "missing"), ("po_1", -5_00, "wrong amount")]),
        ([out("txn_1", 96_81)], [("txn_1", 1, "wrong amount"), ("po_1", -1, "wrong amount")]),
        ([], [("po_1", 96_80, "wrong amount")]),
        ([out("txn_1", 96_80, "USD")], [("txn_1", 0, "wrong currency"), ("po_1", 96_80, "wrong amount")]),
    ],
)
def test_what_does_not_tie_is_named(composed: list[PaidOut], items: list[tuple[str, int, str]]) -> None:
    tie = tied(PAYOUT, composed, {"txn_1": Posted("payment", 96_80, 3_20)}, LONG_AGO)
    assert (tie.state, told(tie)) == (Ties.DIFFERS, items)


def test_what_moved_before_the_cut_over_stands_in_the_opening_balance_and_is_a_part() -> None:
    tie = tied(PAYOUT, [out("txn_0", 96_80, at=NOON - timedelta(days=9))], {}, NOON - timedelta(days=1))
    assert (tie.state, [part.kind for part in tie.parts]) == (Ties.TIES, ["before the cut-over"])


def test_a_held_record_is_named_with_its_reason() -> None:
    tie = tied(PAYOUT, [out("txn_1", 96_80)], {}, LONG_AGO, {"txn_1": "its type is not listed"})
    assert told(tie) == [("txn_1", 96_80, "held")]
    assert tie.items[0].why == "it is held and not posted: its type is not listed"


nets = st.lists(st.integers(-5_000, 9_000).filter(bool), max_size=8)


@given(minors=nets, fees=nets, off=st.integers(-3, 3), place=st.integers(0, 7))
def test_it_ties_exactly_where_every_movement_was_posted_as_it_was_paid_out(
    minors: list[int], fees: list[int], off: int, place: int
) -> None:
    charged = [*(abs(fee) for fee in fees), *([0] * 8)]
    ours = {f"txn_{n}": Posted("payment", minor, charged[n]) for n, minor in enumerate(minors)}
    composed = [out(f"txn_{n}", minor + (off if n == place else 0)) for n, minor in enumerate(minors)]
    paid = replace(PAYOUT, amount=eur(sum(one.net.minor for one in composed)))
    tie = tied(paid, composed, ours, LONG_AGO)
    assert tie.total == paid.amount
    assert told(tie) == ([(f"txn_{place}", off, "wrong amount")] if off and place < len(minors) else [])


# ---------------------------------------------------------------- a simulated month


def night(folder: Path, scenario: str, seed: int, **how: Any) -> House:
    arguments = ("stripe", "--port", 0, "--scenario", scenario, "--seed", seed, "--clock", END.isoformat())
    with served(*arguments) as url:
        house = House(folder, url, ask(url, "invoices"), whole=scenario == "whole", start=how.pop("start", START))
        house.run(nightly=True)
        house.run(nightly=True, **how)
        return house


def known(house: House) -> list[tuple[Payout, Tie | None]]:
    with closing(Store.open(config.read(house.folder).state)) as store:
        return list(ties(store, "shop", LONG_AGO))


@pytest.mark.parametrize("seed", range(1, 6))
@pytest.mark.parametrize("scenario", ["tidy", "busy", "whole"])
def test_every_payout_ties_or_names_exactly_what_is_held(scenario: str, seed: int, tmp_path: Path) -> None:
    house = night(tmp_path / "home", scenario, seed)
    with closing(Store.open(config.read(house.folder).state)) as store:
        held = {one.id for _, one in store.refusals("shop")}
    found = known(house)
    assert found
    for payout, tie in found:
        assert tie is not None
        if tie.state is not Ties.NOT_ITEMISED:
            assert tie.total == payout.amount
        assert {item.name for item in tie.items} <= held
        assert {item.reason for item in tie.items} <= {Reason.HELD}
    states = {tie.state for _, tie in found if tie is not None}
    assert states == ({Ties.TIES} if scenario == "tidy" else states | {Ties.TIES})
    assert scenario != "whole" or Ties.NOT_ITEMISED in states


def test_a_cut_over_in_the_middle_of_a_payout_leaves_no_gap(tmp_path: Path) -> None:
    house = night(tmp_path / "home", "tidy", 1, start=datetime(2026, 10, 14, tzinfo=UTC))
    found = [tie for _, tie in known(house)]
    assert {tie.state for tie in found if tie is not None} == {Ties.TIES}
    assert any(part.kind == "before the cut-over" for tie in found if tie is not None for part in tie.parts)


def test_it_is_the_gateways_clock_that_says_how_long_ago_a_payout_left(tmp_path: Path) -> None:
    with served("stripe", "--port", 0, "--scenario", "tidy", "--seed", 1, "--clock", END.isoformat()) as url:
        house = House(tmp_path / "home", url, ask(url, "invoices"), whole=False)
        for _ in range(2):
            with house.job() as job:
                jobs.run(replace(job, now=lambda: datetime(2028, 1, 1, tzinfo=UTC), sleep=lambda _: None), nightly=True)
    assert {tie.state if tie is not None else None for _, tie in known(house)} == {Ties.TIES}


@dataclass
class Through:
    """A gateway whose word about what a payout pays out is changed on the way; all else is the real one's."""

    real: Any
    change: Callable[[str, list[PaidOut] | None], list[PaidOut] | None]
    asked: list[str]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)

    def composition(self, payout: str) -> list[PaidOut] | None:
        self.asked.append(payout)
        return self.change(payout, self.real.composition(payout))


def test_one_planted_cent_and_one_planted_movement_are_named_and_nothing_else(tmp_path: Path) -> None:
    planted: dict[str, str] = {}

    def change(payout: str, composed: list[PaidOut] | None) -> list[PaidOut] | None:
        assert composed is not None
        if "cent" not in planted and len(composed) > 1:
            planted["cent"], planted["where"] = composed[0].id, payout
            return [composed[0]._replace(net=composed[0].net + Money(1, composed[0].net.currency)), *composed[1:]]
        if "strange" not in planted:
            planted["strange"] = payout
            return [*composed, PaidOut("txn_strange", Money(7, composed[0].net.currency), END)]
        return composed

    house = night(tmp_path / "home", "tidy", 1, through=lambda gateway: Through(gateway, change, []))
    differing = {payout.id: told(tie) for payout, tie in known(house) if tie is not None and tie.items}
    assert differing == {
        planted["where"]: [(planted["cent"], 1, "wrong amount"), (planted["where"], -1, "wrong amount")],
        planted["strange"]: [("txn_strange", 7, "missing"), (planted["strange"], -7, "wrong amount")],
    }


def test_what_the_gateway_has_not_itemised_yet_waits_and_what_ties_is_asked_for_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    late = [True]

    def change(_: str, composed: list[PaidOut] | None) -> list[PaidOut] | None:
        if late:
            raise TryLater("not yet")
        return composed

    asked: list[str] = []
    with served("stripe", "--port", 0, "--scenario", "tidy", "--seed", 1, "--clock", END.isoformat()) as url:
        house = House(tmp_path / "home", url, ask(url, "invoices"), whole=False)
        through = {"through": lambda gateway: Through(gateway, change, asked)}
        assert house.run(nightly=True, **through).exit == EXIT_OK
        assert asked == []  # the first night reads the history, and would read it twice
        assert house.run(nightly=True, **through).exit == EXIT_OK
        assert {tie for _, tie in known(house)} == {None}
        late.clear()
        asked.clear()
        house.run(nightly=True, **through)
        assert len(asked) == len(set(asked)) == len(known(house)) == 6
        house.run(nightly=True, **through)
        assert len(asked) == 6
    capsys.readouterr()
    assert main(["payouts", "list", "--home", str(house.folder)]) == EXIT_OK
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 6
    page = (Path(__file__).parent.parent / "docs/payouts.md").read_text(encoding="utf-8").split("```")[3].strip("\n")
    assert set(page.splitlines()) < set(lines)
    assert all(len(line) <= 80 and line.split()[3] == "ties" for line in lines)


def test_one_that_differs_is_asked_for_again_when_what_was_missing_is_posted(tmp_path: Path) -> None:
    asked: list[str] = []
    through = {"through": lambda gateway: Through(gateway, lambda _, composed: composed, asked)}
    with served("stripe", "--port", 0, "--scenario", "busy", "--seed", 1, "--clock", END.isoformat()) as url:
        house = House(tmp_path / "home", url, ask(url, "invoices"), whole=False)
        for _ in range(3):
            house.run(nightly=True, **through)
        assert len(asked) == len(set(asked)) == len(known(house))
        (differs,) = [payout.id for payout, tie in known(house) if tie is not None and tie.items]
        asked.clear()
        path = house.folder / "mappings/gateways/stripe.yaml"
        assert main(["mapping", "edit", "gateways/stripe", "--home", str(house.folder)]) == EXIT_OK
        text = path.read_text(encoding="utf-8")
        line = "        climate_order_refund: adjustment\n"
        path.write_text(text.replace(line, f"{line}        climate_mystery: adjustment\n"), encoding="utf-8")
        assert main(["held", "retry", "--all", "--home", str(house.folder)]) == EXIT_OK
        house.run(nightly=True, **through)
    assert asked == [differs]
    assert {tie.state for _, tie in known(house) if tie is not None} == {Ties.TIES}


# ---------------------------------------------------------------- what people read


def test_the_night_ends_with_3_where_one_differs_and_the_page_names_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEY", "sk_test_sandbox")
    with served("stripe", "--port", 0, "--scenario", "busy", "--seed", 1, "--clock", END.isoformat()) as url:
        house = House(tmp_path / "home", url, ask(url, "invoices"), whole=False)
        for _ in range(2):
            assert main(["run", "--nightly", "--home", str(house.folder)]) == EXIT_HELD
    capsys.readouterr()
    assert main(["summary", "--home", str(house.folder)]) == EXIT_OK
    page = " ".join(capsys.readouterr().out.split())
    (differs,) = [payout for payout, tie in known(house) if tie is not None and tie.items]
    assert "Payouts: shop: 6 payouts of the last 35 days are what the gateway says is in them." in page
    assert f"{differs.id} of 1,371.09 EUR differs by 1 item; see: syncjob payouts list." in page
    assert main(["payouts", "show", differs.id, "--home", str(house.folder)]) == EXIT_OK
    shown = capsys.readouterr().out
    assert shown.startswith(f"shop payout {differs.id} of 2026-10-15: DIFFERS\n")
    assert "  not posted " in shown
    assert main(["payouts", "list", "--json", "--home", str(house.folder)]) == EXIT_OK
    row = next(one for one in json.loads(capsys.readouterr().out) if one["payout"] == differs.id)
    assert row["state"] == "differs"
    assert sum(Money.of(part["amount"]["amount"], "EUR").minor for part in row["parts"]) == differs.amount.minor


def test_a_payout_that_nobody_knows_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    house = night(tmp_path / "home", "tidy", 1)
    capsys.readouterr()
    assert main(["payouts", "show", "po_nobody", "--home", str(house.folder)]) == 2
    assert "'po_nobody' is no payout that left a balance; syncjob payouts list names them" in capsys.readouterr().err


# ---------------------------------------------------------------- Stripe


@pytest.fixture
def vendor() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock() as mock:
        yield mock


def payout(**more: Any) -> Body:
    return {"id": "po_1", "object": "payout", "automatic": True, "reconciliation_status": "completed", **more}


def own() -> Body:
    return moved(9, source="po_1", type="payout", net=-1)


def moved(number: int, **more: Any) -> Body:
    return transaction(number, **{"source": f"ch_{number}", "net": 9_680, "currency": "eur", **more})


def test_stripe_itemises_an_automatic_payout_page_by_page_without_the_payout_itself(vendor: responses.RequestsMock) -> None:
    answers(vendor, "/v1/payouts/po_1", payout())
    answers(vendor, "/v1/balance_transactions", listed(own(), moved(1), more=True))
    answers(vendor, "/v1/balance_transactions", listed(moved(2)))
    found = opened().composition("po_1")
    assert found is not None
    assert [one.id for one in found] == ["txn_1", "txn_2"]
    assert (found[0].net, found[0].effective) == (eur(96_80), datetime(2026, 11, 3, 11, 50, tzinfo=UTC))
    urls = [str(call.request.url) for call in vendor.calls]
    assert "payout=po_1" in urls[1]
    assert "starting_after=txn_1" in urls[2]


def test_stripe_itemises_none_by_hand_and_none_before_it_says_so(vendor: responses.RequestsMock) -> None:
    answers(vendor, "/v1/payouts/po_1", payout(automatic=False, reconciliation_status="not_applicable"))
    assert opened().composition("po_1") is None
    answers(vendor, "/v1/payouts/po_1", payout(reconciliation_status="in_progress"))
    with pytest.raises(TryLater, match="has not itemised po_1 yet"):
        opened().composition("po_1")


@pytest.mark.parametrize("pages", [[True, True], [True]])
def test_a_list_that_does_not_move_on_is_left(pages: Sequence[bool], vendor: responses.RequestsMock) -> None:
    answers(vendor, "/v1/payouts/po_1", payout())
    for more in pages:
        answers(vendor, "/v1/balance_transactions", listed(*([moved(1)] if len(pages) > 1 else []), more=more))
    with pytest.raises(ConnectorDown, match="goes round in circles"):
        opened().composition("po_1")


def test_an_amount_that_is_none_is_not_believed(vendor: responses.RequestsMock) -> None:
    answers(vendor, "/v1/payouts/po_1", payout())
    answers(vendor, "/v1/balance_transactions", listed(moved(1, net="96.80")))
    with pytest.raises(ConnectorDown, match=r"balance transaction txn_1 says '96\.80' 'eur', which is no amount"):
        opened().composition("po_1")
