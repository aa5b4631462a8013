"""The nightly page: rows whose sums must close, then the proof against gateway and books; dressed as text or as JSON."""

from syncjob.summary.page import Books, Credit, Held, Invoices, MapCount, MapWarning, Page, Place, Row, Sums, flow
from syncjob.summary.render import amount, day, instant, render
from syncjob.summary.wire import from_json, to_json

__all__ = [
    "Books",
    "Credit",
    "Held",
    "Invoices",
    "MapCount",
    "MapWarning",
    "Page",
    "Place",
    "Row",
    "Sums",
    "amount",
    "day",
    "flow",
    "from_json",
    "instant",
    "render",
    "to_json",
]
