"""``qhybrid bundle``: an experiment in one file, and what comes out of such a file on another machine."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from qhybrid_pipelines.commands.common import AsJson, Home, echo, existing_workspace, find_experiment, named_workspace
from qhybrid_pipelines.core.errors import InvalidInput, JobFailed

OPEN = "open"


def bundle(
    words: Annotated[
        list[str],
        typer.Argument(metavar="KEY | open FILE", help="The experiment to pack; or `open`, and the file to replay."),
    ],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Where to; KEY.qhybrid if not given.")
    ] = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Pack a decided experiment into one file, or replay such a file: `qhybrid bundle open FILE`.

    The file holds specification, data, the providers' answers as received, seeds, versions and the verdict. Replaying does every
    step again on these answers; no provider is asked and nothing is sent. Exit code 3 when something else comes out.
    """
    if words[0] == OPEN and len(words) == 2:
        if output is not None:
            raise InvalidInput("replaying writes nothing", remedy="Leave out --output.", field="--output")
        _open(Path(words[1]), home, as_json=as_json)
    elif len(words) == 1:
        _pack(words[0], output, home, as_json=as_json)
    else:
        raise InvalidInput(
            "one experiment is packed, or one file opened",
            remedy="Write `qhybrid bundle KEY` or `qhybrid bundle open FILE`.",
        )


def _pack(word: str, output: Path | None, home: str | None, *, as_json: bool) -> None:
    from qhybrid_pipelines.core.system.files import write_bytes
    from qhybrid_pipelines.steps.on_demand.bundles import pack_experiment
    from qhybrid_pipelines.storage.bundle_files import ENDING
    from qhybrid_pipelines.terminal import print_json

    workspace = existing_workspace(home, reading=True)
    key = find_experiment(workspace, word)
    made = pack_experiment(key, workspace.home, workspace.specifications, workspace.lake, workspace.control_plane)
    path = output or Path(f"{key}{ENDING}")
    content = made.pack()
    write_bytes(path, content)
    said = {
        "experiment": key,
        "file": str(path),
        "bytes": len(content),
        "answers": sum(n.startswith("raw/") for n in made.files),
    }
    if as_json:
        print_json(said)
        return
    echo(f"{path}: {len(content):,} bytes. To replay it elsewhere: qhybrid bundle open {path}")
    if made.facts["data_class"] != "public":
        echo(f"It holds {made.facts['data_class']} data: send it only to people who may have it.", err=True)


def _open(path: Path, home: str | None, *, as_json: bool) -> None:
    from qhybrid_pipelines.steps.on_demand.bundle_replays import replay_bundle
    from qhybrid_pipelines.storage.bundle_files import read_bundle
    from qhybrid_pipelines.terminal import print_json
    from qhybrid_pipelines.terminal_tables import print_table

    workspace = named_workspace(home, make=True)
    found = read_bundle(path)
    replayed = replay_bundle(found, workspace.home, workspace.control_plane)
    differ = [one for one in replayed if one.differences]
    if as_json:
        print_json(
            {"experiment": found.facts["experiment"], "same": not differ, "executions": [asdict(r) for r in replayed]}
        )
    else:
        print_table(
            [
                {
                    "backend": one.backend,
                    "verdict": one.verdict,
                    "replayed": one.replayed,
                    "decision": one.decision,
                    "differs in": ", ".join(one.differences) or "nothing",
                }
                for one in replayed
            ]
        )
        echo(
            f"{found.facts['experiment']}: {'something else came out' if differ else 'the same came out'}; nothing was sent."
        )
    raise typer.Exit(JobFailed.exit_code if differ else 0)
