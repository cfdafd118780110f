"""What a specification means that names no strategy: what it meant when it was registered, if it was.

Before angles were optimised by default, a sweep without a strategy took 16 points around a best guess. An experiment
that was registered so keeps that meaning in its home: run again, the same file finds it, and nothing is sent or paid anew.
"""

from __future__ import annotations

from qhybrid_pipelines.control.experiments.known_keys import KeyOf
from qhybrid_pipelines.core.experiment_key import experiment_key
from qhybrid_pipelines.core.specification import ExperimentSpec
from qhybrid_pipelines.storage.specifications import Specifications


def keep_registered_default(spec: ExperimentSpec, known: Specifications, key_of: KeyOf) -> ExperimentSpec:
    """Return the specification with the older default where it is registered with that.

    Args:
        spec: with its files taken in; one that names its strategy is returned as it is.
        known: the registered ones.
        key_of: finds the key of a specification.
    """
    if "strategy" in spec.sweep.model_fields_set:
        return spec
    older = spec.model_copy(update={"sweep": spec.sweep.around_best_guess()})
    key = key_of(older)
    # A shorter key is only given where something is known under it: a specification, or jobs of the ledger.
    return older if key in known or key != experiment_key(older) else spec
