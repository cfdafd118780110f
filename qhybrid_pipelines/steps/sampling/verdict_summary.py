"""One line per circuit of a sampling experiment: how near it came, and how long a classical sampler takes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from qhybrid_pipelines.control.experiments.damaged_files import Damage, load_readable
from qhybrid_pipelines.core.specifications.sampling_specification import SamplingSpec
from qhybrid_pipelines.storage import schemas
from qhybrid_pipelines.storage.lake import Lake, PartitionKey

if TYPE_CHECKING:
    from qhybrid_pipelines.steps.values_from_rows import Row
    from qhybrid_pipelines.storage.specifications import Specifications


def sampling_verdicts(
    keys: Iterable[str], lake: Lake, specifications: Specifications, damage: Damage | None = None
) -> list[Row]:
    """Return the verdicts of the sampling experiments among some keys, by backend and circuit; what cannot be read is noted."""
    rows: list[Row] = []
    damage = damage or Damage()
    for key, spec in load_readable(specifications, keys, damage):
        if not isinstance(spec, SamplingSpec):
            continue
        for backend in spec.backends:
            partition = PartitionKey(experiment=key, backend=backend)
            with damage.of(key):
                if lake.exists(schemas.SAMPLING_VERDICTS, partition):
                    rows += lake.read(schemas.SAMPLING_VERDICTS, partition).to_pylist()
    return rows
