"""``qhybrid emulator``: starting the emulated QPU cloud.

Heavy imports wait until it really starts, so that the command line of which this is a part stays quick.
"""

from __future__ import annotations

import signal
from collections.abc import Collection
from pathlib import Path
from typing import Annotated

import typer

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.emulator.interface_versions import BILLING_UNITS, INTERFACES
from qhybrid_pipelines.emulator.noise_laws import read_noise

app = typer.Typer(
    name="emulator",
    help="A QPU cloud on this machine's loopback address, with the interfaces of IonQ (v0.4), IBM, Amazon Braket and D-Wave.",
    no_args_is_help=True,
)


@app.callback()
def group() -> None:
    """Keep `start` a command of its own, although it is the only one."""


@app.command()
def start(
    *,
    folder: Annotated[Path, typer.Option(help="Where its state is kept; made when absent.")],
    port: Annotated[int, typer.Option(help="0 takes any free one.")] = 8765,
    host: Annotated[str, typer.Option(help="Loopback only.")] = "127.0.0.1",
    key: Annotated[str, typer.Option(help="The API key that it accepts.", envvar="QHYBRID_EMULATOR_KEY")] = "emulator",
    speed: Annotated[float, typer.Option(help="Virtual seconds per real second.")] = 60.0,
    seed: Annotated[int | None, typer.Option(help="Of everything drawn; fixed when the folder is new.")] = None,
    drift_hours: Annotated[float | None, typer.Option(help="Virtual hours between two characterizations.")] = None,
    noise: Annotated[
        str | None,
        typer.Option(help="Law of errors: uniform, local, or local:QUBIT, the bad one; fixed when the folder is new."),
    ] = None,
    faults: Annotated[Path | None, typer.Option(help="A fault plan, JSON; replaces the one in force.")] = None,
    interface: Annotated[str, typer.Option(help="The vendor's published form: 2026-04 or 2026-10.")] = "2026-04",
    billing_unit: Annotated[str, typer.Option(help="What prices are told in: usd or credit.")] = "usd",
) -> None:
    """Serve until interrupted; prints `ready URL` when it listens.

    Written from the public description of the interface; not certified by the vendor.
    """
    try:
        _loopback(host)
        _positive(speed, "speed")
        if drift_hours is not None:
            _positive(drift_hours, "drift-hours")
        if noise is not None:
            read_noise(noise)
        _known(interface, INTERFACES, "interface")
        _known(billing_unit, BILLING_UNITS, "billing-unit")
        from qhybrid_pipelines.emulator.server import ServerOptions, serve

        signal_number = serve(
            ServerOptions(
                folder=folder,
                port=port,
                key=key,
                speed=speed,
                seed=seed,
                drift_hours=drift_hours,
                noise=noise,
                faults=faults,
                interface=interface,
                billing_unit=billing_unit,
            )
        )
    except InvalidInput as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(InvalidInput.exit_code) from None
    if signal_number:
        typer.echo(f"stopped by {signal.Signals(signal_number).name}", err=True)
        raise typer.Exit(128 + signal_number)  # as a shell reports it


def _positive(value: float, name: str) -> None:
    """Refuse a figure that is not above zero.

    Raises:
        InvalidInput: naming it.
    """
    if not 0 < value < float("inf"):
        raise InvalidInput(f"{value} is not a number above 0", remedy="Give a positive one.", field=f"--{name}")


def _known(value: str, choices: Collection[str], name: str) -> None:
    """Refuse a word that is not a choice.

    Raises:
        InvalidInput: naming it.
    """
    if value not in choices:
        raise InvalidInput(f"{value!r} is not known", remedy=f"Choose one of {', '.join(choices)}.", field=f"--{name}")


def _loopback(host: str) -> None:
    """Refuse every address but this machine's own.

    Raises:
        InvalidInput: it is another.
    """
    if host not in ("127.0.0.1", "localhost"):
        raise InvalidInput(
            f"{host!r} is not this machine's loopback address",
            remedy="Leave it out: the administrator's pages are open to whoever reaches them.",
            field="--host",
        )
