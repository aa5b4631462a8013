"""mapping schema: what an editor needs to know to help while somebody writes a map or syncjob.yaml."""

from __future__ import annotations

from pathlib import Path

import click

from syncjob.cli.command import frame, verb
from syncjob.errors import Misconfigured


@verb("schema", "syncjob mapping schema crm/sqlite", "syncjob mapping schema --write schemas")
@click.argument("name", required=False)
@click.option("--write", "folder", metavar="DIR", type=click.Path(path_type=Path), help="Write all of them into this folder.")
def schema(name: str | None, folder: Path | None) -> None:
    """Print the JSON Schema of a file, for an editor.

    NAME is syncjob.yaml, one map with its own fields (gateways/stripe, crm/sqlite), or any file of its kind: gateway-map,
    target-map, gateway-schema, target-schema, gateway-case, target-case. An editor that reads it completes words, explains
    them and marks what is misspelled; what a map must not mean, only `syncjob check` knows.
    """
    from syncjob import schemas

    if (name is None) == (folder is None):
        raise Misconfigured(f"name one schema, or a folder with --write DIR; known: {', '.join(schemas.names())}")
    if folder is not None:
        for path in schemas.write(folder, frame().home):
            click.echo(path)
    elif name is not None:
        click.echo(schemas.text(name, frame().home), nl=False)
