"""The circuit from a file that an experiment runs in place of an ansatz, if it names one."""

from __future__ import annotations

from qhybrid_pipelines.core.specification import ExperimentSpec, FileSource
from qhybrid_pipelines.quantum.user_circuits.reader import ForeignCircuit, read_foreign
from qhybrid_pipelines.storage.specifications import Specifications


def circuit_of(spec: ExperimentSpec, specifications: Specifications) -> ForeignCircuit | None:
    """Return the circuit that a registered specification names, or None."""
    named = spec.problem.circuit
    if named is None:
        return None
    assert isinstance(named, FileSource), "a registered specification names files by their hash"
    return read_foreign(specifications.read_blob(named), file=named.file)
