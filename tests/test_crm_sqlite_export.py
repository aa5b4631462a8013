"""What people read out of the CRM file: views that answer their questions, and CSV that is inert."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path

import pytest
from crm_file import CUS_1, bare, contact, crm_in, deliver, payment, put

from syncjob.crm import sqlite
from syncjob.errors import Misconfigured
from syncjob.model import Action, DocumentKind


def full_house(home: Path) -> None:
    crm = crm_in(home)
    deliver(crm, contact(), contact("cus_2", name="=cmd|' /C calc'!A0", email="", phone="+49 30 1234"))
    deliver(
        crm,
        payment("ch_1", contact=CUS_1, refunded="8.25"),
        payment("ch_2", "1.75", contact=CUS_1),
        payment("ch_3", "500", "JPY", contact=CUS_1, paid_at="2026-11-02T06:00:00Z"),
        payment("ch_4", "9.00", contact=CUS_1, status="failed"),
        payment("ch_5", "-9.00", contact="crm:shop:cus_2:contact", description="@sum"),
        put(DocumentKind.DEAL, "R-1", name="R-1", amount="10.00", currency="EUR", paid="10.00", stage="paid"),
        put(DocumentKind.DEAL, "R-2", name="R-2", amount="5.50", currency="EUR", paid="0.00", stage="open"),
        put(DocumentKind.DEAL, "R-3", name="R-3", amount="4.50", currency="EUR", paid="0.50", stage="open"),
        put(DocumentKind.TASK, "t_1", title="Answer", due="2026-11-30", status="open", contact=CUS_1),
        put(DocumentKind.TASK, "t_2", title="Done", due="2026-11-29", status="done"),
    )
    deliver(crm, payment("ch_2", action=Action.VOID, revision=2))


def exported(home: Path, table: str) -> list[Mapping[str, str]]:
    out = io.StringIO(newline="")
    sqlite.export_csv(home / "crm.sqlite", table, out)
    assert out.getvalue().endswith("\r\n")
    return list(csv.DictReader(io.StringIO(out.getvalue(), newline=""), strict=True))


def test_the_views_answer_what_people_ask(tmp_path: Path) -> None:
    full_house(tmp_path)
    history = exported(tmp_path, "payment_history")
    assert [
        (row["contact"], row["date"][:10], row["amount"], row["currency"], row["status"], row["invoice"]) for row in history
    ][:2] == [
        ("Example Bakery", "2026-11-02", "500", "JPY", "paid", "R-17"),
        ("Example Bakery", "2026-11-03", "48.25", "EUR", "paid", "R-17"),
    ]
    assert [tuple(row.values()) for row in exported(tmp_path, "open_tasks")] == [
        ("2026-11-30", "Answer", "", "Example Bakery", "bakery@example.com")
    ]
    assert [tuple(row.values()) for row in exported(tmp_path, "deals_by_stage")] == [
        ("open", "EUR", "2", "10.00", "0.50"),
        ("paid", "EUR", "1", "10.00", "10.00"),
    ]
    assert [tuple(row.values())[2:] for row in exported(tmp_path, "customers") if row["contact"] == "Example Bakery"] == [
        ("EUR", "1", "48.25", "8.25"),
        ("JPY", "1", "500", "0"),
    ]


@pytest.mark.parametrize("table", sqlite.tables())
def test_no_exported_cell_is_a_formula(tmp_path: Path, table: str) -> None:
    full_house(tmp_path)
    for row in exported(tmp_path, table):
        for name, cell in row.items():
            if cell.startswith(("=", "+", "-", "@")):
                assert name in ("amount", "fee", "net", "refunded", "paid")
                assert cell.replace("-", "").replace(".", "").isdigit()


def test_a_formula_is_shown_as_the_text_it_is(tmp_path: Path) -> None:
    full_house(tmp_path)
    deliver(
        bare(tmp_path), *(contact(f"x{n}", name=text) for n, text in enumerate(["\t=1", " =1", "\uff1d1", "-1", "\n+1", "1-1"]))
    )
    names = [row["name"] for row in exported(tmp_path, "contacts")]
    assert names == ["Example Bakery", "'=cmd|' /C calc'!A0", "'\t=1", "' =1", "'\uff1d1", "'-1", "'\n+1", "1-1"]
    assert {row["phone"] for row in exported(tmp_path, "contacts")} == {"", "'+49 30 1234"}
    assert "-9.00" in [row["amount"] for row in exported(tmp_path, "payments")]


@pytest.mark.parametrize(
    ("table", "why"), [("contacts; DROP TABLE contacts", "write one of companies"), ("contacts", "does not exist")]
)
def test_an_export_of_what_is_not_there_is_refused(tmp_path: Path, table: str, why: str) -> None:
    with pytest.raises(Misconfigured, match=why):
        sqlite.export_csv(tmp_path / "crm.sqlite", table, io.StringIO())


def test_an_export_from_a_file_that_is_no_crm_is_refused(tmp_path: Path) -> None:
    (tmp_path / "crm.sqlite").touch()
    with pytest.raises(Misconfigured, match="cannot be read as the CRM's file"):
        sqlite.export_csv(tmp_path / "crm.sqlite", "contacts", io.StringIO())
