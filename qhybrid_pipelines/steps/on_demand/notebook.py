"""From a notebook to the pipeline: a circuit function becomes a registered experiment with one call."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from qhybrid_pipelines.core.specifications.specification_text import validate_specification
from qhybrid_pipelines.core.system import files
from qhybrid_pipelines.quantum.pennylane_recorder import record_circuit
from qhybrid_pipelines.steps.workspace import Workspace
from qhybrid_pipelines.storage.layout import Home


def register_circuit_function(
    circuit: Callable[[Any], Any],
    *,
    angles: int,
    qubits: int,
    problem: Mapping[str, Any],
    name: str | None = None,
    home: str | Path = "data",
    **fields: Any,
) -> str:
    """Register an experiment that runs a PennyLane circuit function in place of an ansatz, and return its key.

    The function is recorded once as OpenQASM 3; the experiment keeps that text by its hash, and nothing of the notebook.
    Sensors pick it up like a file from the inbox, and so does ``qhybrid run``.

    Args:
        circuit: takes an array of ``angles`` numbers and queues gates, see `quantum.pennylane_recorder`.
        angles: how many it takes.
        qubits: its width, that of the largest reduced model it is used on.
        problem: as in a specification, for example ``{"family": "maxcut", "source": "networkx:petersen"}``.
        name: of the experiment; the function's own when omitted.
        home: the home folder.
        fields: further fields of the specification, for example ``shots=256``.

    Raises:
        InvalidInput: the circuit or a field is wrong; names it and the remedy.
    """
    text = record_circuit(circuit, angles=angles, qubits=qubits)
    title = name or circuit.__name__
    workspace = Workspace(Home(Path(home)).make())
    with files.scratch_folder(workspace.home.tmp) as folder:
        file = folder / f"{title}.qasm"
        file.write_text(text, encoding="utf-8")
        data = {
            "sweep": {"strategy": "random"},
            "name": title,
            **fields,
            "problem": {**problem, "circuit": file.name},
        }
        spec = validate_specification(data, file=title, lines={})
        return workspace.registration.register(spec, file=title, folder=folder).key
