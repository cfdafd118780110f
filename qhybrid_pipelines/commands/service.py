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
) -> None:
    """Serve the experiments of a home over HTTP until interrupted; prints `ready URL` when it listens.

    It accepts experiments and shows what becomes of them. Running them is the work of Dagster's daemon on the same home.
    """
    folder = prepare_home(home)
    from qhybrid_pipelines.service.api_keys import KeyAuthenticator, KeyFile
    from qhybrid_pipelines.service.server import ServiceOptions, serve
    from qhybrid_pipelines.storage.layout import Home as HomeFolder

    keys = KeyFile(HomeFolder(folder))
    serve(
        ServiceOptions(
            home=folder,
            host=host,
            port=port,
            authenticator=KeyAuthenticator(keys) if keys.exists else None,
            decisions=decisions,
        )
    )
