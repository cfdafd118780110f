"""The jobs: one per stage, because one Dagster job cannot span two partition definitions."""

from typing import Any

import dagster as dg

from qhybrid_pipelines.control.experiments.due_stages import (
    COLLECT,
    EVALUATE,
    EXECUTE,
    INFER,
    MEASURE,
    PREPARE,
    SUBMIT,
    TRAIN,
)
from qhybrid_pipelines.defs.owners import OWNERS


def build() -> dict[str, Any]:
    """Return the jobs by name; each has the partitions of its assets."""
    jobs = [
        dg.define_asset_job(
            "prepare",
            dg.AssetSelection.assets(*PREPARE),
            description="From a registered experiment to its reduced model, sweep and classical baselines.",
            owners=OWNERS,
        ),
        dg.define_asset_job(
            "execute",
            dg.AssetSelection.assets(*EXECUTE),
            description="From circuits to verdict and decision, on a backend that answers at once.",
            owners=OWNERS,
        ),
        dg.define_asset_job(
            "submit",
            dg.AssetSelection.assets(*SUBMIT),
            description="From circuits to jobs that a provider has acknowledged; nothing waits for their results.",
            owners=OWNERS,
        ),
        dg.define_asset_job(
            "collect",
            dg.AssetSelection.assets(*COLLECT),
            description="From settled jobs to verdict and decision.",
            owners=OWNERS,
        ),
        dg.define_asset_job(
            "train",
            dg.AssetSelection.assets(*TRAIN),
            description="Learning: from a registered experiment to trained circuits, baselines and controls.",
            owners=OWNERS,
        ),
        dg.define_asset_job(
            "infer",
            dg.AssetSelection.assets(*INFER),
            description="Learning: trained circuits handed to a backend, every test row in one batch.",
            owners=OWNERS,
        ),
        dg.define_asset_job(
            "measure",
            dg.AssetSelection.assets(*MEASURE),
            description="Learning: from settled jobs to measured predictions.",
            owners=OWNERS,
        ),
        dg.define_asset_job(
            "evaluate",
            dg.AssetSelection.assets(*EVALUATE),
            description="Learning: scores, intervals and verdicts, and the records in MLflow.",
            owners=OWNERS,
        ),
        dg.define_asset_job(
            "calibrate",
            dg.AssetSelection.assets("backend_calibrations"),
            description="A look at the calibration of every device.",
            owners=OWNERS,
        ),
        dg.define_asset_job(
            "publish",
            dg.AssetSelection.assets("backend_capabilities", "backend_calibrations", "warehouse"),
            description="A new snapshot for analysts.",
            owners=OWNERS,
        ),
    ]
    return {job.name: job for job in jobs}
