"""What a specification means that leaves a choice to the default: what it meant when it was registered, if it was.

Before angles were optimised by default, a sweep without a strategy took 16 points around a best guess; before the whole
instance was taken where it fits, a reduced model had 16 qubits at most. An experiment that was registered so keeps that meaning in
its home: run again, the same file finds it, and nothing is sent or paid again.
"""

from __future__ import annotations

from collections.abc import Iterator

from qhybrid_pipelines.control.experiments.known_keys import KeyOf
from qhybrid_pipelines.core.experiment_key import experiment_key
from qhybrid_pipelines.core.specification import WINDOW_QUBITS, ExperimentSpec
from qhybrid_pipelines.storage.specifications import Specifications


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
