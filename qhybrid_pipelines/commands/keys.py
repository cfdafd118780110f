"""``qhybrid keys``: who may use the HTTP service of a home."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from qhybrid_pipelines.commands.common import AsJson, Home, echo, named_workspace
from qhybrid_pipelines.settings import prepare_home

app = typer.Typer(name="keys", help="Keys of the HTTP service: create, list and revoke them.", no_args_is_help=True)


@app.command()
def create(
    principal: Annotated[str, typer.Argument(metavar="PRINCIPAL", help="Whose key it is, by the name in the policy.")],
    scope: Annotated[
        list[str] | None, typer.Option("--scope", help="read, submit, approve, operate or all; give it again for more.")
    ] = None,
    days: Annotated[int, typer.Option("--days", help="Days until it expires.")] = 90,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Make a key and print it, once. From the first one on, everybody who uses the service of this home needs one."""
    folder = prepare_home(home)
    from qhybrid_pipelines.control.policy.deployment import Deployment
    from qhybrid_pipelines.service.access.api_keys import KeyFile
    from qhybrid_pipelines.storage.layout import Home as HomeFolder
    from qhybrid_pipelines.terminal import print_json

    environment = Deployment.from_environment(folder).environment
    key, stored = KeyFile(HomeFolder(folder)).create(
        principal, scope or ["read", "submit"], days=days, environment=environment, now=datetime.now(UTC)
    )
    if as_json:
        print_json({"key": key, "id": stored.id, "principal": principal, "scopes": list(stored.scopes)})
        return
    echo(f"{stored.id} for {principal}, until {stored.expires_at[:10]}; it is not shown again:", err=True)
    echo(key)


@app.command(name="list")
def list_keys(home: Home = None, as_json: AsJson = False) -> None:
    """List the keys, without their secrets."""
    from qhybrid_pipelines.service.access.api_keys import KeyFile
    from qhybrid_pipelines.terminal import print_json
    from qhybrid_pipelines.terminal_tables import print_table

    now = datetime.now(UTC)
    rows = [
        {
            "id": key.id,
            "principal": key.principal,
            "scopes": ", ".join(key.scopes),
            "state": "in force" if key.is_in_force(now) else "revoked" if key.revoked_at else "ended",
            "expires": key.expires_at[:10],
        }
        for key in KeyFile(named_workspace(home).home).read()
    ]
    if as_json:
        print_json(rows)
        return
    if not rows:
        echo("No keys are registered here. `qhybrid keys create PRINCIPAL` makes one.", err=True)
    print_table(rows)


@app.command()
def revoke(key_id: Annotated[str, typer.Argument(metavar="ID")], home: Home = None) -> None:
    """Revoke a key, at once and for good; a running service refuses it from the next request on."""
    from qhybrid_pipelines.service.access.api_keys import KeyFile

    stored = KeyFile(named_workspace(home, make=True).home).revoke(key_id, now=datetime.now(UTC))
    echo(f"{stored.id} of {stored.principal} was revoked.")
