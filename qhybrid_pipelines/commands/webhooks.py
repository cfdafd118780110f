"""``qhybrid webhooks``: where the HTTP service of a home sends events."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qhybrid_pipelines.commands.common import AsJson, Home, echo, existing_workspace
from qhybrid_pipelines.core.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Iterator

    from qhybrid_pipelines.service.webhooks.endpoints import Endpoint, Kind
    from qhybrid_pipelines.service.webhooks.registry import EndpointRegistry
    from qhybrid_pipelines.steps.workspace import Workspace

app = typer.Typer(
    name="webhooks",
    help="Endpoints that `qhybrid serve` tells of events: webhooks, chats and mail addresses.",
    no_args_is_help=True,
)
EndpointId = Annotated[str, typer.Argument(metavar="ID", help="As `qhybrid webhooks list` shows it.")]


@app.command()
def add(
    url: Annotated[str, typer.Argument(metavar="URL", help="https://HOST/PATH, or mailto:NAME@HOST.")],
    slack: Annotated[bool, typer.Option("--slack", help="A Slack-compatible address, which takes a text.")] = False,
    kinds: Annotated[
        list[str] | None, typer.Option("--type", metavar="EVENT", help="Only this event; give it again for more.")
    ] = None,
    by_tier: Annotated[
        bool, typer.Option("--by-tier", help="Only what the tiers of the policy tell people (their `notify`).")
    ] = False,
    principal: Annotated[
        str | None, typer.Option("--principal", help="Whose jobs it is told of; without it, everybody's.")
    ] = None,
    after: Annotated[
        int | None, typer.Option("--after", help="Position of the last event that is not sent; else the last one.")
    ] = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Register an endpoint, and print the secret that its messages are signed with, once."""
    workspace = existing_workspace(home)
    kind, target = _kind(url, slack=slack)
    with _registry(workspace) as registry:
        head = workspace.control_plane.ledger.head().position
        if after is not None and not 0 <= after <= head:
            raise InvalidInput(f"the last event has position {head}", remedy="Leave it out.", field="--after")
        endpoint, secret = registry.add(
            principal=principal or workspace.control_plane.deployment.principal,
            sees_all=principal is None,
            kind=kind,
            target=target,
            types=kinds or None,
            by_tier=by_tier,
            after=head if after is None else after,
        )
        _show_new(endpoint, secret, as_json=as_json)


@app.command(name="list")
def list_endpoints(home: Home = None, as_json: AsJson = False) -> None:
    """List the endpoints, and how far each one has got."""
    from qhybrid_pipelines.service.webhooks.registry import endpoint_fields
    from qhybrid_pipelines.terminal import print_json
    from qhybrid_pipelines.terminal_tables import print_table

    with _registry(existing_workspace(home)) as registry:
        rows = [endpoint_fields(endpoint) for endpoint in registry.store.all()]
    if as_json:
        print_json(rows)
        return
    if not rows:
        echo("No endpoints are registered here. `qhybrid webhooks add URL` registers one.", err=True)
    shown = ("endpoint", "principal", "kind", "url", "state", "position", "failures", "problem")
    print_table([{name: row[name] for name in shown} for row in rows])


@app.command()
def remove(endpoint: EndpointId, home: Home = None) -> None:
    """Forget an endpoint; nothing more is sent to it."""
    with _registry(existing_workspace(home)) as registry:
        found = _find(registry, endpoint)
        registry.store.remove(found.id)
        echo(f"{found.id} of {found.principal} is removed.")


@app.command()
def secret(endpoint: EndpointId, home: Home = None) -> None:
    """Give an endpoint its next secret and print it, once; the one before signs as well for a day."""
    with _registry(existing_workspace(home)) as registry:
        new = registry.rotate(_find(registry, endpoint))
    echo(f"{endpoint}: it is not shown again:", err=True)
    echo(new)


@app.command()
def enable(endpoint: EndpointId, home: Home = None) -> None:
    """Try an endpoint again at once, from where it was: also one that was disabled."""
    with _registry(existing_workspace(home)) as registry:
        registry.store.enable(_find(registry, endpoint).id)
        echo(f"{endpoint} is tried again.")


@app.command()
def replay(
    endpoint: EndpointId,
    after: Annotated[int, typer.Option("--after", help="Events behind this position,")],
    until: Annotated[int, typer.Option("--until", help="up to and with this one.")],
    home: Home = None,
) -> None:
    """Send events once more, before new ones, with the ids and bodies that they had."""
    workspace = existing_workspace(home)
    with _registry(workspace) as registry:
        head = workspace.control_plane.ledger.head().position
        registry.replay(_find(registry, endpoint), after=after, until=until, head=head)
        echo(f"{until - after} events are sent to {endpoint} once more, as far as it may be told of them.")


@contextmanager
def _registry(workspace: Workspace) -> Iterator[EndpointRegistry]:
    from qhybrid_pipelines.service.webhooks.parts import open_registry

    registry = open_registry(workspace.home)
    try:
        yield registry
    finally:
        registry.store.close()


def _find(registry: EndpointRegistry, endpoint: str) -> Endpoint:
    found = registry.store.get(endpoint)
    if found is None:
        raise InvalidInput(
            f"there is no endpoint {endpoint[:40]!r}",
            remedy="`qhybrid webhooks list` shows those there are.",
            field="ID",
        )
    return found


def _kind(url: str, *, slack: bool) -> tuple[Kind, str]:
    scheme, _, rest = url.partition(":")
    if scheme.lower() == "mailto":
        if slack:
            raise InvalidInput("this is an address of mail", remedy="Leave --slack out.", field="--slack")
        return "mail", rest
    return ("slack" if slack else "webhook"), url


def _show_new(endpoint: Endpoint, secret: str | None, *, as_json: bool) -> None:
    from qhybrid_pipelines.service.webhooks.registry import endpoint_fields
    from qhybrid_pipelines.terminal import print_json

    if as_json:
        fields: dict[str, Any] = endpoint_fields(endpoint) | {"secret": secret}
        print_json(fields)
        return
    if secret is None:
        echo(f"{endpoint.id} receives events; `qhybrid serve` sends it a first message.")
        return
    echo(f"{endpoint.id}; its secret is not shown again:", err=True)
    echo(secret)
