"""``qhybrid retention``: what is older than the policy wants it kept, and removing it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from qhybrid_pipelines.commands.common import AsJson, Home, echo, existing_workspace

if TYPE_CHECKING:
    from qhybrid_pipelines.steps.operate.retention import ClassSummary


def retention(
    home: Home = None,
    as_json: AsJson = False,
    apply: Annotated[bool, typer.Option("--apply", help="Remove it, and write a receipt.")] = False,
) -> None:
    """Show what is older than the policy's `retention` wants it kept; with --apply, remove it.

    Ledger, specifications and verdicts never go, and nothing of an experiment that is not decided.
    """
    from qhybrid_pipelines.retention import apply_retention, preview_retention
    from qhybrid_pipelines.terminal import print_json
    from qhybrid_pipelines.terminal_tables import print_table

    workspace = existing_workspace(home, reading=not apply)
    outcome = apply_retention(workspace) if apply else preview_retention(workspace)
    for problem in outcome.problems:
        echo(problem, err=True)
    objects = outcome.objects
    if as_json:
        receipt = str(outcome.receipt) if outcome.receipt else None
        collected = {} if objects is None else {"lake_objects": {"objects": objects.objects, "bytes": objects.bytes}}
        print_json(
            {"applied": apply, "receipt": receipt, "classes": [_row(one) for one in outcome.classes], **collected}
        )
        return
    print_table([_row(one) for one in outcome.classes])
    if objects is not None:
        what = "were deleted" if apply else "would be deleted"
        echo(
            f"Of the lake, {objects.objects} objects ({objects.bytes:,} bytes) that belong to no table any more {what}."
        )
    number = sum(one.artefacts for one in outcome.classes)
    if outcome.receipt is not None:
        echo(f"{number} artefacts removed; the receipt is {outcome.receipt}")
    elif not any(one.days for one in outcome.classes):
        echo("Everything is kept: the policy has no section `retention`.")
    elif apply or not number:
        echo("Nothing is older than the policy wants it kept.")
    else:
        echo(f"{number} artefacts would be removed; `qhybrid retention --apply` does that.")


def _row(one: ClassSummary) -> dict[str, Any]:
    return {
        "class": one.artefact_class,
        "kept_days": one.days,
        "artefacts": one.artefacts,
        "bytes": one.bytes,
        "oldest": one.oldest.isoformat(timespec="seconds") if one.oldest else None,
    }
