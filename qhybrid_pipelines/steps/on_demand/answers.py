"""The answers of an experiment by name, read from the lake."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from qhybrid_pipelines.core.errors import MissingUpstream
from qhybrid_pipelines.problems.instance import Instance
from qhybrid_pipelines.problems.named_answer import NamedAnswer, name_answer
from qhybrid_pipelines.storage import schemas
from qhybrid_pipelines.storage.lake import Lake, PartitionKey

if TYPE_CHECKING:
    from qhybrid_pipelines.storage.specifications import Specifications


def named_answers(key: str, specifications: Specifications, lake: Lake) -> list[NamedAnswer]:
    """Return the answers of an optimisation, one per backend that is decided.

    Raises:
        InvalidInput: there is no such experiment, or it is a learning experiment.
        MissingUpstream: nothing is decided yet.
    """
    answers = list(_decided(key, specifications.load(key).backends, lake))
    if not answers:
        raise MissingUpstream(schemas.DECISIONS.name, key)
    return answers


def _decided(key: str, backends: tuple[str, ...], lake: Lake) -> Iterator[NamedAnswer]:
    for backend in backends:
        execution = PartitionKey(experiment=key, backend=backend)
        if lake.exists(schemas.DECISIONS, execution):
            [instance_row] = lake.read(schemas.PROBLEM_INSTANCES, PartitionKey(experiment=key)).to_pylist()
            [decision] = lake.read(schemas.DECISIONS, execution).to_pylist()
            yield name_answer(Instance.from_row(instance_row), decision)
