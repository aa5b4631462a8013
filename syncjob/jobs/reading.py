"""Reading ahead: the pages of one window, the next on its way while one is landed; a long window as several at once.

Only walks that go newest first can be split: a page then tells how far a page reaches, so about how many are left.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise

from syncjob.errors import TryLater
from syncjob.moment import Window, from_text, iso
from syncjob.ports import Feed, Gateway, Page

_PAGES_PER_PART = 10  # each part may end with a page that is not full, which must stay a tenth of its requests
_SECOND = timedelta(seconds=1)
_PARTS = "parts"


@dataclass(slots=True)
class _Part:
    """A piece of a window, how far it was read, and where its walk stands."""

    window: Window
    resume: str | None
    pages: Iterator[Page]


@dataclass(frozen=True, slots=True)
class Clock:
    """What reading needs of time: seconds that only grow, and sleep (both seconds)."""

    monotonic: Callable[[], float]
    sleep: Callable[[float], None]


def read(gateway: Gateway, feed: Feed, window: Window, resume: str | None, clock: Clock) -> Iterator[Page]:
    """The pages of a window; a walk that was cut off goes on with `resume`, which a page of this function gave.

    No more requests are begun per second than the feed's `per_second`. Connector errors go to the caller.
    """
    stored = _stored(resume)
    if stored is not None:
        parts = [_Part(one, at, gateway.pages(feed, one, at)) for one, at in stored[1]]
        yield from _together(feed, parts, stored[0], clock)
        return
    timed = _Timed(gateway.pages(feed, window, resume), clock)
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="read") as pool:
        following = pool.submit(timed.next)
        while (page := following.result()) is not None:
            number = _number(feed, window, page, timed.seconds) if page.cursor is None else 1
            if number > 1:
                break
            following = pool.submit(timed.next)  # the next page is on its way while this one is landed
            yield page
    if page is None:
        return
    yield page
    oldest = _oldest(feed, page)
    if oldest is None or not isinstance(window.since, datetime):
        raise AssertionError(f"{feed.name}: a window without instants was split")
    yield from _together(feed, _split(gateway, feed, window.since, oldest + _SECOND, number), page.ceiling, clock)


class _Timed:
    """A walk that notes how long each page took."""

    def __init__(self, pages: Iterator[Page], clock: Clock) -> None:
        self._pages, self._clock = pages, clock
        self.seconds = 0.0

    def next(self) -> Page | None:
        """The next page, or None after the last."""
        began = self._clock.monotonic()
        page = next(self._pages, None)
        self.seconds = self._clock.monotonic() - began
        return page


def _number(feed: Feed, window: Window, page: Page, seconds: float) -> int:
    """In how many parts to read on: as many as keep the allowed pace at the speed of this answer, and as are worth it."""
    oldest = _oldest(feed, page)
    if feed.parallel < 2 or oldest is None or not isinstance(window.since, datetime):
        return 1
    reach = max(max(raw.occurred for raw in page.records if raw.type == feed.type) - oldest, _SECOND)
    left = (oldest - window.since) / reach  # pages, if they go on as they began
    pace = math.ceil(min(feed.parallel, seconds * feed.per_second))  # endless seconds: somebody asked the run to stop
    return min(pace, int(left / _PAGES_PER_PART))


def _oldest(feed: Feed, page: Page) -> datetime | None:
    return min((raw.occurred for raw in page.records if raw.type == feed.type), default=None)


def _split(gateway: Gateway, feed: Feed, since: datetime, until: datetime, number: int) -> list[_Part]:
    step = (until - since) / number
    cuts = [since, *((since + step * at).replace(microsecond=0) for at in range(1, number)), until]
    windows = [Window(low, high) for low, high in pairwise(cuts)]
    return [_Part(one, None, gateway.pages(feed, one, None)) for one in windows]


def _together(feed: Feed, parts: list[_Part], ceiling: datetime | int, clock: Clock) -> Iterator[Page]:
    """Pages of several windows as they come; each carries what is left of all of them, the last one the cursor."""
    gap = 1 / feed.per_second
    begun = clock.monotonic() - gap
    with ThreadPoolExecutor(max_workers=len(parts), thread_name_prefix="read") as pool:
        running: dict[Future[Page | None], _Part] = {}
        ready = list(parts)
        left = list(parts)
        while running or ready:
            for part in ready:
                clock.sleep(max(0.0, begun + gap - clock.monotonic()))
                begun = clock.monotonic()
                running[pool.submit(next, part.pages, None)] = part
            ready = []
            for done in wait(running, return_when=FIRST_COMPLETED).done:
                part = running.pop(done)
                page = done.result()
                if page is None:
                    raise TryLater(f"{feed.name}: the list ended without its last page; run again")
                if page.cursor is None:
                    part.resume = page.resume
                    ready.append(part)
                else:
                    left.remove(part)
                rest = _text(ceiling, left) if left else None
                yield replace(page, resume=rest, cursor=None if left else ceiling, ceiling=ceiling)


def _text(ceiling: datetime | int, parts: list[_Part]) -> str:
    said = [{"since": iso(one.window.since), "until": iso(one.window.until), "resume": one.resume} for one in parts]  # type: ignore[arg-type]
    return json.dumps({_PARTS: said, "ceiling": iso(ceiling)})  # type: ignore[arg-type]


def _stored(resume: str | None) -> tuple[datetime, list[tuple[Window, str | None]]] | None:
    """What is left of a window that was read in parts; None where it was not."""
    if resume is None or not resume.startswith(f'{{"{_PARTS}"'):
        return None
    said = json.loads(resume)
    windows = [(Window(from_text(one["since"]), from_text(one["until"])), one["resume"]) for one in said[_PARTS]]
    return from_text(said["ceiling"]), windows
