"""What a gateway does not offer: the run does without it, says so by name, and the nightly page calls it not covered."""

from __future__ import annotations

from collections.abc import Callable

from syncjob.errors import NotOffered, Problem
from syncjob.jobs.job import Job, Source, Tally
from syncjob.store import Store


def not_offered(store: Store, source: str) -> tuple[str, ...]:
    """What a gateway was asked for and does not have, by name."""
    known = store.get_fact(f"not offered:{source}")
    return tuple(str(name) for name in known) if isinstance(known, list) else ()


def if_offered(job: Job, source: Source, what: str, tally: Tally, read: Callable[[], object], *, again: bool) -> bool:
    """Read something that a gateway may lack, and remember whether it does; `again`: say so even if it was said before."""
    known = not_offered(job.store, source.name)
    try:
        read()
    except NotOffered as lack:
        if again or what not in known:
            tally.problems.append(Problem(source.name, "", str(lack)))
        job.store.set_fact(f"not offered:{source.name}", sorted({*known, what}))
        return False
    if what in known:
        job.store.set_fact(f"not offered:{source.name}", sorted({*known} - {what}))
    return True
