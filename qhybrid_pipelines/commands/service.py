"""``qhybrid serve``: the HTTP service of a home. Heavy imports wait until it really starts."""

from __future__ import annotations

from typing import Annotated

import typer

from qhybrid_pipelines.commands.common import Home
from qhybrid_pipelines.settings import prepare_home


def serve(
    home: Home = None,
    port: Annotated[int, typer.Option(help="0 takes any free one.")] = 8800,
    host: Annotated[str, typer.Option(help="Address to listen on; another than loopback needs keys.")] = "127.0.0.1",
    decisions: Annotated[
        bool,
        typer.Option("--decisions", help="Decide at once as well (docs/decisions.md): takes three processes more."),
    ] = False,
    interactive: Annotated[
        bool,
        typer.Option("--interactive", help="Also run experiments of `tier: interactive` at once, in a warm process."),
    ] = False,
) -> None:
    """Serve the experiments of a home over HTTP until interrupted; prints `ready URL` when it listens.

    It accepts experiments and shows what becomes of them. Running them is the work of Dagster's daemon on the same home, or
    of --interactive for small ones on this machine.
    """
    folder = prepare_home(home)
    from qhybrid_pipelines.service.access.authentication import authenticator_for
    from qhybrid_pipelines.service.server import ServiceOptions, serve
    from qhybrid_pipelines.storage.layout import Home as HomeFolder

    serve(
        ServiceOptions(
            home=folder,
            host=host,
            port=port,
            authenticator=authenticator_for(HomeFolder(folder)),
            interactive=interactive,
            decisions=decisions,
        )
    )
