"""The jobs: one per stage, because one Dagster job cannot span two partition definitions.

Their names sort as the stages follow each other: Dagster's pages list jobs by name.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import dagster as dg

from qhybrid_pipelines.control.experiments.due_stages import (
    COLLECT,
    DATA,
    DESCRIBE,
    DESCRIBE_RESULTS,
    ESTIMATE,
    EVALUATE,
    EXECUTE,
    FIT,
    INFER,
    LOOP,
    MEASURE,
    MEASURE_KERNELS,
    PLAN,
    PREPARE,
    SAMPLE,
    SCORE,
    SUBMIT,
    TRAIN,
)
from qhybrid_pipelines.defs.owners import OWNERS

#: Assets that follow a verdict; they are not tables, so a stage is never due because one is missing.
REPORT, LEARNING_REPORT, SAMPLING_REPORT = "report", "qml_report", "sampling_report"


class StageJob(NamedTuple):
    """The job of a stage.

    Attributes:
        name: in Dagster; older homes have runs under the stages' own names.
        assets: that it writes, in any order.
        description: as Dagster shows it.
    """

    name: str
    assets: tuple[str, ...]
    description: str


#: In the order of their names, which is that of the stages.
STAGE_JOBS: Mapping[str, StageJob] = MappingProxyType(
    {
        "prepare": StageJob(
            "1_prepare", PREPARE, "From a registered experiment to its reduced model, sweep and classical baselines."
        ),
        "execute": StageJob(
            "2_execute",
            (*LOOP, *EXECUTE, *DESCRIBE, *DESCRIBE_RESULTS, REPORT),
            "From circuits to verdict and decision, on a backend that answers at once.",
        ),
        "submit": StageJob(
            "2_submit",
            (*LOOP, *SUBMIT, *DESCRIBE),
            "From circuits to jobs that a provider has acknowledged; nothing waits for their results.",
        ),
        "collect": StageJob(
            "3_collect", (*COLLECT, *DESCRIBE_RESULTS, REPORT), "From settled jobs to verdict and decision."
        ),
        "data": StageJob("learn_0_data", DATA, "Learning: the data and the folds, before a backend trains on them."),
        "fit": StageJob(
            "learn_0_fit", FIT, "Learning: circuits trained with the shots of a backend, an iteration at a time."
        ),
        "train": StageJob(
            "learn_1_train",
            TRAIN,
            "Learning: from a registered experiment to trained circuits, baselines and controls.",
        ),
        "infer": StageJob(
            "learn_2_infer", INFER, "Learning: trained circuits submitted to a backend, every test row in one batch."
        ),
        "measure": StageJob(
            "learn_3_measure", (*MEASURE, *MEASURE_KERNELS), "Learning: from settled jobs to measured predictions."
        ),
        "evaluate": StageJob(
            "learn_4_evaluate",
            (*EVALUATE, LEARNING_REPORT),
            "Learning: scores, intervals and verdicts, and the records in MLflow.",
        ),
        "calibrate": StageJob("operate_calibrate", ("backend_calibrations",), "Reads the calibration of every device."),
        "publish": StageJob(
            "operate_publish",
            ("backend_capabilities", "backend_calibrations", "warehouse"),
            "A new snapshot for analysts.",
        ),
        "plan": StageJob(
            "sample_1_plan",
            PLAN,
            "Sampling: from a registered experiment to its circuits, what should come out of them, and baselines.",
        ),
        "sample": StageJob(
            "sample_2_sample",
            (*SAMPLE, *ESTIMATE, SAMPLING_REPORT),
            "Sampling: from circuits to scores and verdicts, on a backend that answers at once.",
        ),
        "score": StageJob(
            "sample_3_score",
            (*SCORE, *ESTIMATE, SAMPLING_REPORT),
            "Sampling: from settled jobs to scores and verdicts.",
        ),
    }
)
JOB_NAMES: Mapping[str, str] = MappingProxyType({stage: job.name for stage, job in STAGE_JOBS.items()})
STAGES: Mapping[str, str] = MappingProxyType({name: stage for stage, name in JOB_NAMES.items()})


def build() -> dict[str, Any]:
    """Return the jobs by their stage; each has the partitions of its assets."""
    return {
        stage: dg.define_asset_job(
            job.name, dg.AssetSelection.assets(*job.assets), description=job.description, owners=OWNERS
        )
        for stage, job in STAGE_JOBS.items()
    }
