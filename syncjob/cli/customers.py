"""customers: who is one customer under several names, as a person decides it: merge, split, link."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from syncjob.cli.command import Verbs, example, frame, verb
from syncjob.errors import Misconfigured

if TYPE_CHECKING:
    from syncjob.config import Config
    from syncjob.crosswalk import Customer, Link, Name
    from syncjob.model import Json
    from syncjob.store import Store

WIDTH = 80
_CLOSE_MAX = 3
_CLOSE = 0.75  # how much of two ids must be the same for one to be meant by the other
_REASON = click.option("--reason", default="", metavar="TEXT", help="Why; written down with the decision.")


@dataclass(frozen=True, slots=True)
class Systems:
    """The connectors of a home by what they are."""

    gateways: tuple[str, ...]
    books: tuple[str, ...]
    crms: tuple[str, ...]

    @classmethod
    def of(cls, config: Config) -> Systems:
        """Those that syncjob.yaml names."""
        return cls(*(tuple(block.name for block in config.of(group)) for group in ("gateways", "accounting", "crm")))

    @property
    def targets(self) -> tuple[str, ...]:
        """Books and CRMs."""
        return (*self.books, *self.crms)


# ---------------------------------------------------------------- deciding


@verb("merge", "syncjob customers merge stripe:cus_A stripe:cus_B")
@click.argument("first")
@click.argument("second")
@_REASON
def merge(first: str, second: str, reason: str) -> None:
    """Make two customers of gateways one.

    FIRST and SECOND are written account:id, each with its account's name in syncjob.yaml. From the next run on both have one
    contact in the CRM, that of the one who was linked first, and the other's payments, tasks and events point to it.
    """
    config, systems = _home()
    from syncjob.cli.house import opened

    names = [_name(text, systems.gateways, "a gateway account") for text in (first, second)]
    with opened(config) as store:
        for name in names:
            _refuse_stranger(store, name, systems)
        told = decide(store, systems, "customers merge", names, reason)
    _say(told or [f"{first} and {second} are one customer already: nothing to do."])


@verb(
    "link",
    "syncjob customers link stripe:cus_A crm:C-1001",
    'syncjob customers link stripe:cus_A "books:Example Bakery"',
)
@click.argument("customer")
@click.argument("known_as")
@_REASON
def link(customer: str, known_as: str, reason: str) -> None:
    """Say what the books or the CRM call a customer.

    CUSTOMER is a gateway's, written account:id. KNOWN_AS is crm:ID, a contact that the CRM had before syncjob: from the next
    run on it is kept up to date in place of a second one. Or it is books:ID, the books' customer (in plain-text books the
    customer as invoices.csv spells it).
    """
    config, systems = _home()
    from syncjob.cli.house import opened

    name = _name(customer, systems.gateways, "a gateway account")
    other = _name(known_as, systems.targets, "books or a CRM")
    with opened(config) as store:
        _refuse_stranger(store, name, systems)
        _refuse_taken(store, name, other)
        if other[0] in systems.books:
            _refuse_stranger(store, other, systems)
        else:
            _refuse_no_contact(config, store, other)
        told = decide(store, systems, "customers link", [name, other], reason)
    _say(told or [f"{customer} and {known_as} are linked already: nothing to do."])


@verb("split", "syncjob customers split stripe:cus_B")
@click.argument("name")
@_REASON
def split(name: str, reason: str) -> None:
    """Set one name of a customer apart again.

    NAME is written account:id, crm:ID or books:ID. From the next run on it stands alone, with its own contact and payments.
    No rule ever links it again; a person may.
    """
    config, systems = _home()
    from syncjob.cli.house import opened

    known = (*systems.gateways, *systems.targets)
    chosen = _name(name, known, "a connector")
    with opened(config) as store:
        if chosen not in store.customers([chosen]) and chosen[0] not in systems.crms:
            _refuse_stranger(store, chosen, systems)
        told = decide(store, systems, "customers split", [chosen], reason)
    _say(told or [f"{name} is linked with nobody: nothing to do."])


def decide(store: Store, systems: Systems, what: str, names: Sequence[Name], reason: str) -> list[str]:
    """Carry out one decision in one short transaction, with its audit line; tells what becomes of it, nothing if it stood.

    `what` is "customers merge", "customers link" (both join the names) or "customers split" (one name). Everything that
    is about these customers is planned again by the next run.
    """
    from syncjob.cli.house import now, who
    from syncjob.crosswalk import BY_PERSON, spelled

    parts = what.endswith("split")
    with store.together():
        before = store.customers(names)
        if not parts and len({before[name].number if name in before else name for name in names}) == 1:
            return []
        if parts and (names[0] not in before or len(before[names[0]].links) == 1):
            return []
        everybody = list(dict.fromkeys([*names, *(name for one in before.values() for name in one.names)]))
        used = _contacts(store, systems, everybody)
        if parts:
            store.part_customer(names[0])
        else:
            _refuse_contradiction(before, names, systems)
            store.join_customers(names, BY_PERSON, now())
        after = _contacts(store, systems, everybody)
        people = [name for name in everybody if name[0] in systems.gateways]
        store.mark_dirty(store.subjects_about(people, sorted({*used, *after})))
        detail: dict[str, Json] = {"names": [spelled(name) for name in names], "with": [spelled(name) for name in everybody]}
        store.audit(now(), who(), what, {**detail, "reason": reason})
    told = [_outcome(what, names)]
    for target, key in sorted(set(used) - set(after)):
        remote = store.remotes(target, [key]).get(key)
        if remote is not None:
            told.append(
                f"The contact {remote.id} of {target}, {used[target, key]}, is no longer used; syncjob does not delete it."
            )
    return told


def _outcome(what: str, names: Sequence[Name]) -> str:
    from syncjob.crosswalk import spelled

    if what.endswith("split"):
        return f"{spelled(names[0])} stands alone from the next run on."
    return f"{' and '.join(spelled(name) for name in names)} are one customer from the next run on."


def _contacts(store: Store, systems: Systems, names: Sequence[Name]) -> dict[Name, str]:
    """(CRM, document key) -> of whom: the contacts that stand for these names as the crosswalk is now."""
    from syncjob.crosswalk import linked, spelled
    from syncjob.plan.linking import contact_key, own_key

    found: dict[Name, str] = {}
    customers = store.customers(names)
    for name in names:
        customer = customers.get(name)
        about = linked(customer, systems.targets) if customer is not None and len(customer.links) > 1 else None
        for crm in systems.crms:
            if name[0] in systems.gateways:
                key = contact_key(crm, *name, {name[1]: about} if about is not None else {})
                whose = spelled(name) if key == own_key(crm, *name) or (crm, key) not in found else found[crm, key]
                found[crm, key] = f"that of {whose}"
    return found


# ---------------------------------------------------------------- refusing


def _home() -> tuple[Config, Systems]:
    from syncjob.cli.house import configured

    config = configured(frame().home)
    return config, Systems.of(config)


def _name(text: str, systems: Sequence[str], what: str) -> Name:
    system, colon, id = text.partition(":")
    if system in systems and id:
        return system, id
    named = ", ".join(systems) or "none"
    first = systems[0] if systems else "stripe"
    seen = f"{system!r} is not {what} of syncjob.yaml" if colon and id else f"{text!r} does not say whose id it is"
    raise Misconfigured(f"{seen}; write it as {first}:ID ({what}: {named})")


def _refuse_stranger(store: Store, name: Name, systems: Systems) -> None:
    """Refuse an id that neither records nor the mirror of the books ever named, with those that may be meant."""
    books = name[0] in systems.books
    if name in store.customers([name]) or store.knows_customer(name, books=books):
        return
    where = "stands on no invoice of" if books else "is no customer of"
    raise Misconfigured(f"{name[1]!r} {where} {name[0]}{_meant(name[0], name[1], store.customers_alike(name, books=books))}")


def _meant(system: str, id: str, others: Sequence[str]) -> str:
    from difflib import get_close_matches

    by_case = {other.casefold(): other for other in others}
    close = [by_case[one] for one in get_close_matches(id.casefold(), list(by_case), _CLOSE_MAX, _CLOSE)]
    if not close:
        return "; look its id up there, or see: syncjob customers list --shared-email"
    return f"; is {' or '.join(f'{system}:{one}' for one in close)} meant?"


def _refuse_taken(store: Store, name: Name, other: Name) -> None:
    from syncjob.crosswalk import spelled

    customers = store.customers([name, other])
    mine, theirs = customers.get(name), customers.get(other)
    if theirs is None or len(theirs.links) == 1 or (mine is not None and mine.number == theirs.number):
        return
    whose = next((one for one in theirs.names if one != other), other)
    merging = f"syncjob customers merge {spelled(name)} {spelled(whose)}"
    splitting = f'syncjob customers split "{spelled(other)}"'
    why = f"{spelled(other)} is linked with {spelled(whose)}"
    raise Misconfigured(f"{why}; if both are one customer, run: {merging}; if that is wrong, first run: {splitting}")


def _refuse_contradiction(before: Mapping[Name, Customer], names: Sequence[Name], systems: Systems) -> None:
    from syncjob.crosswalk import merged

    for target, ids in merged(names, before.values(), systems.targets).items():
        if len(ids) > 1:
            first, second = sorted(ids)[:2]
            standing = next(id for id in (second, first) if (target, id) not in names)
            raise Misconfigured(
                f"they are two customers of {target}, {first!r} and {second!r}; if only one is right, first run: "
                f'syncjob customers split "{target}:{standing}"'
            )


def _refuse_no_contact(config: Config, store: Store, name: Name) -> None:
    """Refuse a contact that the CRM does not have, and one that syncjob itself made there."""
    from os import environ

    from syncjob.cli.keys import connected
    from syncjob.config import options
    from syncjob.plan.linking import own_key
    from syncjob.ports import Contacts

    system, id = name
    key = store.contact_of(system, id)
    if key is not None and key != own_key(system, *name):
        whose = key.removeprefix(f"{system}:").removesuffix(":contact")
        why = f"{id!r} is the contact that syncjob made in {system} for {whose}"
        raise Misconfigured(f"{why}; to make both one customer, run: syncjob customers merge CUSTOMER {whose}")
    block = next(one for one in config.of("crm") if one.name == system)
    crm = connected(config, block, options(config, block, environ).secret)
    if not isinstance(crm, Contacts):
        return  # it cannot be asked: a contact that is not there is refused when it is written to
    found = crm.contacts(id)
    if [one.id for one in found] != [id]:
        others = {word: one.id for one in found for word in (one.id, one.name, one.email) if word}
        close = _close(id, others)
        raise Misconfigured(f"{id!r} is no contact of {system}{_or(system, close)}")


def _close(wanted: str, others: Mapping[str, str]) -> list[str]:
    """The ids whose own words come close."""
    from difflib import get_close_matches

    folded = {word.casefold(): id for word, id in others.items()}
    return list(dict.fromkeys(folded[one] for one in get_close_matches(wanted.casefold(), list(folded), _CLOSE_MAX, _CLOSE)))


def _or(system: str, close: Sequence[str]) -> str:
    return f"; is {' or '.join(f'{system}:{one}' for one in close)} meant?" if close else "; look its id up there"


# ---------------------------------------------------------------- looking


@verb("list", "syncjob customers list", "syncjob customers list --shared-email")
@click.option("--shared-email", is_flag=True, help="Who shares an e-mail address and is not linked: a person decides.")
@click.option("--json", "as_json", is_flag=True, help="The same as JSON.")
def list_(shared_email: bool, as_json: bool) -> None:
    """List the customers whom several systems know.

    With --shared-email those who share an address: no rule links them, since an address alone does not make two one.
    """
    config, systems = _home()
    from syncjob.cli.house import opened

    with opened(config) as store:
        rows, lines = _sharing(store, systems) if shared_email else _linked(config, store)
    if as_json:
        import json

        click.echo(json.dumps(rows, indent=2, ensure_ascii=False))
    else:
        click.echo("\n".join(lines))


def _linked(config: Config, store: Store) -> tuple[list[Json], list[str]]:
    rows: list[Json] = []
    lines: list[str] = []
    for customer in store.all_customers():
        rows.append(_as_json(customer))
        if len(customer.links) == 1:
            lines += _wrapped(0, f"{_spelled(customer.links[0])} stands alone, since a person split it off")
            continue
        lines += _wrapped(0, f"Customer {customer.number}")
        lines += [line for one in customer.links for line in _wrapped(2, f"{_spelled(one)}  ({_how(config, one)})")]
    return rows, lines or ["Nobody is linked: each customer stands alone."]


def _sharing(store: Store, systems: Systems) -> tuple[list[Json], list[str]]:
    from syncjob.crosswalk import spelled
    from syncjob.jobs.customers import shared_addresses

    found = shared_addresses(store, systems.books)
    lines: list[str] = []
    for one in found:
        lines += _wrapped(0, one.address)
        lines += [line for name in one.names for line in _wrapped(2, spelled(name))]
    if lines:
        lines.append("If two are one customer: syncjob customers merge ONE OTHER")
    rows: list[Json] = [{"email": one.address, "names": [spelled(name) for name in one.names]} for one in found]
    return rows, lines or ["No two customers share an e-mail address."]


@verb("show", "syncjob customers show stripe:cus_A")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="The same as JSON.")
def show(name: str, as_json: bool) -> None:
    """Show who a customer is elsewhere, and who said so.

    NAME is written account:id, crm:ID or books:ID.
    """
    config, systems = _home()
    from syncjob.cli.house import opened

    chosen = _name(name, (*systems.gateways, *systems.targets), "a connector")
    with opened(config) as store:
        customer = store.customers([chosen]).get(chosen)
        if customer is None and (chosen[0] not in systems.crms or not store.contact_of(*chosen)):
            _refuse_stranger(store, chosen, systems)
        told = _told(store, systems, chosen, customer)
    if as_json:
        import json

        click.echo(json.dumps(told, indent=2, ensure_ascii=False))
        return
    lines = [f"{name} is linked with nobody."]
    if customer is not None:
        lines = [f"Customer {customer.number}"] if len(customer.links) > 1 else [f"{name} stands alone: a person split it off."]
        lines += [line for one in customer.links for line in _wrapped(2, f"{_spelled(one)}  ({_how(config, one)})")]
    for contact in told["contacts"]:  # type: ignore[union-attr]
        lines += _wrapped(0, f"Contact in {contact['crm']}: {contact['remote'] or 'not there yet'}")  # type: ignore[call-overload, index]
    for line in told["decisions"]:  # type: ignore[union-attr]
        lines += _wrapped(0, str(line))
    click.echo("\n".join(lines))


def _told(store: Store, systems: Systems, name: Name, customer: Customer | None) -> dict[str, Json]:
    from syncjob.crosswalk import spelled
    from syncjob.moment import iso

    names = customer.names if customer is not None else (name,)
    wanted = {spelled(one) for one in names}
    contacts: list[Json] = []
    for crm, key in sorted(_contacts(store, systems, names)):
        remote = store.remotes(crm, [key]).get(key)
        contacts.append({"crm": crm, "key": key, "remote": remote.id if remote is not None else None})
    decisions: list[Json] = []
    for line in store.audit_log():
        if line.what.startswith("customers ") and wanted & set(_texts(line.detail.get("names"))):
            reason = f" ({line.detail['reason']})" if line.detail.get("reason") else ""
            about = " ".join(_texts(line.detail.get("names")))
            decisions.append(f"{iso(line.at)} {line.who}: {line.what} {about}{reason}")
    known: dict[str, Json] = _as_json(customer) if customer is not None else {"customer": None, "names": []}
    return {**known, "contacts": contacts, "decisions": decisions}


def _as_json(customer: Customer) -> dict[str, Json]:
    from syncjob.moment import iso

    links: list[Json] = [{"name": _spelled(one), "how": one.how, "since": iso(one.since)} for one in customer.links]
    return {"customer": customer.number, "names": links}


def _texts(value: Json) -> list[str]:
    return [str(one) for one in value] if isinstance(value, list) else []


def _spelled(one: Link) -> str:
    from syncjob.crosswalk import spelled

    return spelled(one.name)


def _how(config: Config, one: Link) -> str:
    from syncjob.summary import instant

    return f"{one.how}, {instant(one.since, config.zone)}"


def _say(sentences: Sequence[str]) -> None:
    click.echo("\n".join(line for words in sentences for line in _wrapped(0, words)))


def _wrapped(indent: int, words: str) -> list[str]:
    return textwrap.wrap(
        words, WIDTH, initial_indent=" " * indent, subsequent_indent=" " * (indent + 4), break_on_hyphens=False
    )


customers = Verbs(
    "customers",
    commands=[list_, show, merge, link, split],
    sections={"Commands": ("list", "show", "merge", "link", "split")},
    help="""Say who is one customer under several names.

    A decision is written down with who took it and takes effect in the next run.""",
    short_help="Say who is one customer under several names.",
    epilog=example("syncjob customers list --shared-email", "syncjob customers merge stripe:cus_A stripe:cus_B"),
)
