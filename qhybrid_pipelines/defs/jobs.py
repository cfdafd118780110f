"""The jobs: one per leg, because one Dagster job cannot span two partition definitions."""

from typing import Any

import dagster as dg

from qhybrid_pipelines.control.progress import EXECUTE, PREPARE


def build() -> dict[str, Any]:
    """Return the jobs by name; each has the partitions of its assets."""
    jobs = [
        dg.define_asset_job(
            "prepare",
            dg.AssetSelection.assets(*PREPARE),
            description="From a registered experiment to its kernel, sweep and classical baselines.",
        ),
        dg.define_asset_job(
            "execute",
            dg.AssetSelection.assets(*EXECUTE),
            description="From circuits to verdict and decision, on one backend.",
        ),
        dg.define_asset_job(
            "publish",
            dg.AssetSelection.assets("backend_capabilities", "warehouse"),
            description="A new snapshot for analysts.",
        ),
    ]
    return {job.name: job for job in jobs}
