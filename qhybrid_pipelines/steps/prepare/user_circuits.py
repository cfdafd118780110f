"""The circuit from a file that an experiment runs in place of an ansatz, if it names one."""

from __future__ import annotations

from qhybrid_pipelines.core.specification import ExperimentSpec, FileSource
from qhybrid_pipelines.quantum.user_circuits.reader import UserCircuit, read_user_circuit
from qhybrid_pipelines.storage.specifications import Specifications


def load_user_circuit(spec: ExperimentSpec, specifications: Specifications) -> UserCircuit | None:
    """Return the circuit that a registered specification names, or None."""
    named = spec.problem.circuit
    if named is None:
        return None
    assert isinstance(named, FileSource), "a registered specification names files by their hash"
    return read_user_circuit(specifications.read_source_file(named), file=named.file)
