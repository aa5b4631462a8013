"""From what a target should hold and what it was given, to the next action: create, update, or nothing."""

from __future__ import annotations

from syncjob.model import UNDOING, Action, Delivery, Document, Spelled, Status, canonical, digest


def proceed(
    target: str, document: Document, facts: str, existing: Delivery | None, map: str = "", *, correct: bool = False
) -> Delivery | None:
    """The delivery as it should stand now, or None where nothing is to be done. `map` is the digest of the maps that made it.

    What was delivered stays as it is while only a map has changed: a changed map counts from now on. With `correct` it counts
    for what was delivered, too. A delivery under way is left alone: its bytes are committed, its subject is planned again
    later. Old news never replaces newer news. What turned back to the delivered state before it was sent is simply not sent.
    What a person undid stays undone until a person sends it again.
    """
    body = Spelled(document.body)
    content = digest(body.text, canonical(dict(document.needs)))
    if existing is None:
        return Delivery(
            target=target,
            key=document.key,
            kind=document.kind,
            subject=document.subject,
            action=Action.CREATE,
            revision=1,
            generation=1,
            status=Status.PLANNED,
            as_of=document.as_of,
            body=body,
            digest=content,
            facts=facts,
            needs=document.needs,
            date=document.date,
            map=map,
        )
    if existing.action in UNDOING or under_way(existing) or document.as_of < existing.as_of:
        return None
    if content == existing.digest:
        # The same said again, later or by a better witness, still makes anything said in between old news.
        told = existing._replace(facts=facts, as_of=document.as_of, subject=document.subject)
        return None if told == existing else told
    arrived = existing.status is Status.DELIVERED
    if arrived and existing.facts == facts and existing.map not in ("", map) and not correct:
        return None
    fresh = existing._replace(
        body=body,
        digest=content,
        facts=facts,
        needs=document.needs,
        as_of=document.as_of,
        date=document.date,
        subject=document.subject,
        status=Status.PLANNED,
        due=None,
        attempts=0,
        problem=None,
        map=map,
    )
    # A request that was refused, or tried and not carried out, has used its idempotency key: the changed one needs another.
    generation = existing.generation + (existing.status is Status.HELD or existing.attempts > 0)
    if not existing.delivered_revision:
        return fresh._replace(generation=generation)
    if content == existing.delivered_digest and existing.status is Status.PLANNED:
        # The number of the action that was never sent is not used again, so no idempotency key meets two bodies.
        return fresh._replace(status=Status.DELIVERED, delivered_revision=existing.revision)
    if existing.revision == existing.delivered_revision:
        return fresh._replace(action=Action.UPDATE, revision=existing.revision + 1, generation=existing.generation)
    return fresh._replace(generation=generation)


def under_way(existing: Delivery | None) -> bool:
    """Whether a delivery's bytes are committed and what became of them is not known, so that it is planned again later.

    A held delivery that still names its Call is in doubt until a person decides: a new request could make a double.
    """
    if existing is None:
        return False
    return existing.status in (Status.SENDING, Status.UNKNOWN) or (existing.status is Status.HELD and existing.call != "")
