"""Under which key an experiment is known: what was sent under a shorter key of the first releases keeps it.

A home knows it by the registered specification. Where the specification was lost, or where another machine on the same ledger
sent it, the ledger's jobs tell; asked under the longer key, all of them would be paid again.
"""

from __future__ import annotations

from collections.abc import Callable

from qhybrid_pipelines.core.experiment_key import short_key
from qhybrid_pipelines.core.sampling_specification import AnySpec
from qhybrid_pipelines.storage.specifications import Specifications

#: Returns the key of a specification.
KeyOf = Callable[[AnySpec], str]


def find_keys(specifications: Specifications, has_jobs: Callable[[str], bool]) -> KeyOf:
    """Return what finds the key of a specification, as `Specifications.key_of` and by the jobs of a ledger.

    Args:
        specifications: the registered ones.
        has_jobs: whether the ledger has jobs of an experiment; asked about experiments that are not registered.
    """

    def key_of(spec: AnySpec) -> str:
        key = specifications.key_of(spec)
        shorter = short_key(key)
        if key in specifications or shorter in specifications:
            return key
        return shorter if has_jobs(shorter) else key

    return key_of
