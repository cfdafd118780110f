"""Under which key an experiment is known: what was sent under a shorter key of the first releases keeps it.

A home knows it by the registered specification. Where the specification was lost, or where another machine on the same ledger
sent it, the ledger's jobs tell; asked under the longer key, all of them would be paid again.

What leaves a choice to the default means what it meant when it was registered. Before angles were optimised by default, a
sweep without a strategy took 16 points around a best guess; before the whole instance was taken where it fits, a reduced
model had 16 qubits at most. An experiment that was registered so keeps that meaning in its home: run again, the same file
finds it, and nothing is sent or paid again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from qhybrid_pipelines.core.specifications.experiment_key import experiment_key, short_key
from qhybrid_pipelines.core.specifications.experiment_specification import WINDOW_QUBITS, ExperimentSpec
from qhybrid_pipelines.core.specifications.sampling_specification import AnySpec
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


def keep_registered_default(spec: ExperimentSpec, known: Specifications, key_of: KeyOf) -> ExperimentSpec:
    """Return the specification with the older defaults where it is registered with those.

    Args:
        spec: with its files registered; one that names its choices is returned as it is.
        known: the registered ones.
        key_of: finds the key of a specification.
    """
    for older in _older_meanings(spec):
        key = key_of(older)
        # A shorter key is only given where something is known under it: a specification, or jobs of the ledger.
        if key in known or key != experiment_key(older):
            return older
    return spec


def _older_meanings(spec: ExperimentSpec) -> Iterator[ExperimentSpec]:
    """Yield what a specification meant under older defaults, the latest of them first."""
    if spec.reduce.max_qubits == "auto" and "max_qubits" not in spec.reduce.model_fields_set:
        reduce = spec.reduce.model_copy(update={"max_qubits": WINDOW_QUBITS})
        spec = spec.model_copy(update={"reduce": reduce})
        yield spec
    if "strategy" not in spec.sweep.model_fields_set and not spec.sweep.optimises_for_itself:
        yield spec.model_copy(update={"sweep": spec.sweep.around_best_guess()})
