"""The jobs: one per stage, because one Dagster job cannot span two partition definitions.

Their names sort as the stages follow each other: Dagster's pages list jobs by name.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import dagster as dg

from qhybrid_pipelines.control.experiments.due_stages import (
    COLLECT,
    DESCRIBE,
    EVALUATE,
    EXECUTE,
    INFER,
    MEASURE,
    PLAN,
    PREPARE,
    SAMPLE,
    SCORE,
    SUBMIT,
    TRAIN,
)
from qhybrid_pipelines.defs.owners import OWNERS

#: Assets beside a verdict; they are not tables, so a stage is never due because one is missing.
REPORT, LEARNING_REPORT = "report", "qml_report"
#: What Dagster calls the job of a stage; older homes have runs under the plain names.
JOB_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "prepare": "1_prepare",
        "execute": "2_execute",
        "submit": "2_submit",
        "collect": "3_collect",
        "train": "learn_1_train",
        "infer": "learn_2_infer",
        "measure": "learn_3_measure",
        "evaluate": "learn_4_evaluate",
        "calibrate": "operate_calibrate",
        "publish": "operate_publish",
        "plan": "sample_1_plan",
        "sample": "sample_2_sample",
        "score": "sample_3_score",
    }
)
STAGES: Mapping[str, str] = MappingProxyType({name: stage for stage, name in JOB_NAMES.items()})


def build() -> dict[str, Any]:
    """Return the jobs by their stage; each has the partitions of its assets."""
    jobs = [
        dg.define_asset_job(
            JOB_NAMES["prepare"],
            dg.AssetSelection.assets(*PREPARE),
            description="From a registered experiment to its reduced model, sweep and classical baselines.",
            owners=OWNERS,
        ),
        dg.define_asset_job(
            JOB_NAMES["execute"],
            dg.AssetSelection.assets(*EXECUTE, *DESCRIBE, REPORT),
            description="From circuits to verdict and decision, on a backend that answers at once.",
            owners=OWNERS,
        ),
        dg.define_asset_job(
            JOB_NAMES["submit"],
            dg.AssetSelection.assets(*SUBMIT, *DESCRIBE),
            description="From circuits to jobs that a provider has acknowledged; nothing waits for their results.",
            owners=OWNERS,
        ),
        dg.define_asset_job(
            JOB_NAMES["collect"],
            dg.AssetSelection.assets(*COLLECT, REPORT),
            description="From settled jobs to verdict and decision.",
            owners=OWNERS,
        ),
        dg.define_asset_job(
            JOB_NAMES["train"],
            dg.AssetSelection.assets(*TRAIN),
            description="Learning: from a registered experiment to trained circuits, baselines and controls.",
            owners=OWNERS,
        ),
        dg.define_asset_job(
            JOB_NAMES["infer"],
            dg.AssetSelection.assets(*INFER),
            description="Learning: trained circuits handed to a backend, every test row in one batch.",
            owners=OWNERS,
        ),
        dg.define_asset_job(
            JOB_NAMES["measure"],
            dg.AssetSelection.assets(*MEASURE),
            description="Learning: from settled jobs to measured predictions.",
            owners=OWNERS,
        ),
        dg.define_asset_job(
            JOB_NAMES["evaluate"],
            dg.AssetSelection.assets(*EVALUATE, LEARNING_REPORT),
            description="Learning: scores, intervals and verdicts, and the records in MLflow.",
            owners=OWNERS,
        ),
        dg.define_asset_job(
            JOB_NAMES["plan"],
            dg.AssetSelection.assets(*PLAN),
            description="Sampling: from a registered experiment to its circuits, what should come out of them, and baselines.",
            owners=OWNERS,
        ),
        dg.define_asset_job(
            JOB_NAMES["sample"],
            dg.AssetSelection.assets(*SAMPLE),
            description="Sampling: from circuits to scores and verdicts, on a backend that answers at once.",
            owners=OWNERS,
        ),
        dg.define_asset_job(
            JOB_NAMES["score"],
            dg.AssetSelection.assets(*SCORE),
            description="Sampling: from settled jobs to scores and verdicts.",
            owners=OWNERS,
        ),
        dg.define_asset_job(
            JOB_NAMES["calibrate"],
            dg.AssetSelection.assets("backend_calibrations"),
            description="A look at the calibration of every device.",
            owners=OWNERS,
        ),
        dg.define_asset_job(
            JOB_NAMES["publish"],
            dg.AssetSelection.assets("backend_capabilities", "backend_calibrations", "warehouse"),
            description="A new snapshot for analysts.",
            owners=OWNERS,
        ),
    ]
    return {STAGES[job.name]: job for job in jobs}
