"""The part of a specification that says how errors of a device are dealt with, beside the counts as they were measured."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from qhybrid_pipelines.core.strict_model import StrictModel


class MitigationSpec(StrictModel):
    """What is done about errors. Counts, scores and verdicts stay those of the samples; estimates stand beside them."""

    estimation: Literal["none", "two_body"] = Field(
        default="none",
        description="none | two_body (readout errors of the calibration taken out of every one- and two-qubit term of the cost).",
    )
