"""``qhybrid experiments``, ``cancel`` and ``schema``: what is registered, how to end it, and what can be said in a file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from qhybrid_pipelines.commands.common import (
    AsJson,
    Home,
    echo,
    existing_workspace,
    known_tags,
    named_workspace,
    unusable_tag,
)
from qhybrid_pipelines.core.errors import InvalidInput, QHybridError

if TYPE_CHECKING:
    from qhybrid_pipelines.steps.workspace import Workspace


def schema(
    as_json: AsJson = False,
    kind: Annotated[
        str,
        typer.Option(
            "--kind", help="optimisation, qml for learning experiments, or sampling for circuits without a problem."
        ),
    ] = "optimisation",
) -> None:
    """Print a commented specification with every default, and its JSON Schema (with --json: the schema alone)."""
    from qhybrid_pipelines.core.specifications.commented_defaults import (
        commented_learning_default,
        commented_sampling_default,
    )
    from qhybrid_pipelines.core.text.spelling import remedy_for_unknown
    from qhybrid_pipelines.problems.experiment_page import (
        commented_experiment,
        experiment_schema,
        learning_schema,
        sampling_schema,
    )
    from qhybrid_pipelines.terminal import print_json

    kinds = {
        "optimisation": (commented_experiment, experiment_schema),
        "qml": (commented_learning_default, learning_schema),
        "sampling": (commented_sampling_default, sampling_schema),
    }
    if kind not in kinds:
        raise InvalidInput(
            f"there is no kind {kind!r}", remedy=remedy_for_unknown(kind, tuple(kinds), "Use one of"), field="--kind"
        )
    page, json_schema = kinds[kind]
    if not as_json:
        echo(page() + "\n# JSON Schema:")
    print_json(json_schema())


def experiments(
    home: Home = None,
    as_json: AsJson = False,
    tag: Annotated[str | None, typer.Option("--tag", metavar="TAG", help="Only those with this tag.")] = None,
    archived: Annotated[bool, typer.Option("--all", help="Include archived ones.")] = False,
) -> None:
    """List the registered experiments: what their circuits did, their answers and verdicts."""
    from qhybrid_pipelines.steps.on_demand.experiment_list import (
        experiments_summary,
        experiments_table,
        registered,
    )
    from qhybrid_pipelines.storage.label_store import LabelStore
    from qhybrid_pipelines.storage.lake_store import open_store
    from qhybrid_pipelines.terminal import print_experiments, print_json

    workspace = named_workspace(home)
    open_store(workspace.home)  # for its errors: a wrong or missing setting is one, and not one for each experiment
    store = LabelStore(workspace.home)
    rows = registered(workspace.lake, workspace.specifications, store, tag=tag, archived=archived)
    if tag is not None and not rows and tag not in known_tags(workspace):  # else those that have it are archived
        raise unusable_tag(workspace, tag, having=0)
    if as_json:
        print_json(rows)
        return
    if not rows:
        echo("No experiments are registered here. `qhybrid new` shows how to begin.", err=True)
    lines = experiments_table(rows, _charged(workspace))
    print_experiments(lines, experiments_summary(rows, lines) if rows else "")


def _charged(workspace: Workspace) -> dict[tuple[str, str], float]:
    """Return what executions were charged; nothing where the ledger cannot be read, which hides no verdict."""
    from qhybrid_pipelines.control.ledger.charges import read_charges
    from qhybrid_pipelines.steps.on_demand.run_table import sum_charges

    try:
        if workspace.control_plane.deployment.ledger_url is not None:
            return sum_charges(workspace.control_plane.ledger.jobs())
        return read_charges(workspace.home.ledger) if workspace.home.ledger.is_file() else {}
    except QHybridError as error:
        echo(f"What it cost is not known: {error}", err=True)
        return {}


def cancel(key: Annotated[str, typer.Argument(metavar="KEY")], home: Home = None, as_json: AsJson = False) -> None:
    """Stop a whole experiment: cancel its jobs, and start no further stage until it is run again.

    It may be too late to cancel at a provider; what it completes is paid for, and its result is stored.
    """
    from qhybrid_pipelines.steps.on_demand.cancelled_experiments import cancel_experiment
    from qhybrid_pipelines.terminal import print_json
    from qhybrid_pipelines.terminal_tables import print_table

    workspace = existing_workspace(home)
    rows = cancel_experiment(key, workspace.specifications, workspace.control_plane.dispatcher, workspace.home)
    if as_json:
        print_json({"experiment": key, "jobs": rows})
        return
    if rows:
        print_table(rows)
    echo(f"{key} is stopped. To go on: qhybrid run {key} --home {workspace.home.path}", err=True)
