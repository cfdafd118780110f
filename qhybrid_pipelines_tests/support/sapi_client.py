"""Talking to the annealing face in tests: bytes packed with `struct`, so that nothing of emulator or pipeline is in between."""

from __future__ import annotations

import base64
import struct
from collections.abc import Mapping
from typing import Any

import httpx

from qhybrid_pipelines.emulator.process import Emulator

SMALL = "Advantage2_system4"


def packed_problem(
    properties: Mapping[str, Any], linear: Mapping[int, float], quadratic: Mapping[tuple[int, int], float]
) -> dict[str, Any]:
    """Return fields and couplings in the format ``qp``."""
    fields = [linear.get(qubit, float("nan")) for qubit in properties["qubits"]]
    couplings = [quadratic.get((a, b), 0.0) for a, b in properties["couplers"] if a in linear and b in linear]
    return {
        "format": "qp",
        "lin": base64.b64encode(struct.pack(f"<{len(fields)}d", *fields)).decode(),
        "quad": base64.b64encode(struct.pack(f"<{len(couplings)}d", *couplings)).decode(),
    }


def read_answer(answer: Mapping[str, Any]) -> tuple[list[int], list[list[int]], list[float], list[int]]:
    """Return the used qubits, the rows of 0 and 1, their energies and how often each came."""

    def numbers(name: str, kind: str, size: int) -> list[Any]:
        content = base64.b64decode(answer[name])
        return list(struct.unpack(f"<{len(content) // size}{kind}", content))

    used, energies = numbers("active_variables", "i", 4), numbers("energies", "d", 8)
    solutions, width = base64.b64decode(answer["solutions"]), -(-len(used) // 8)
    rows = [
        [int(bit) for byte in solutions[start : start + width] for bit in f"{byte:08b}"][: len(used)]
        for start in range(0, len(solutions), width)
    ]
    return used, rows, energies, numbers("num_occurrences", "i", 4)


class SapiClient:
    """A client of one emulator's annealing face; answers are `httpx.Response` objects."""

    def __init__(self, emulator: Emulator, solver: str = SMALL) -> None:
        self.solver = solver
        self.session = httpx.Client(timeout=60, base_url=emulator.sapi_url, headers={"X-Auth-Token": emulator.key})

    def close(self) -> None:
        self.session.close()

    def definition(self) -> dict[str, Any]:
        answer = self.session.get(f"solvers/remote/{self.solver}")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def problem(
        self, linear: Any = None, quadratic: Any = None, *, label: str | None = None, **params: Any
    ) -> dict[str, Any]:
        """Return one problem of the body of a submission; by default a field on the first qubit."""
        definition = self.definition()
        properties = definition["properties"]
        return {
            "solver": definition["identity"],
            "type": "ising",
            "label": label,
            "data": packed_problem(properties, linear or {properties["qubits"][0]: 1.0}, quadratic or {}),
            "params": params,
        }

    def submit(self, *problems: Mapping[str, Any]) -> list[dict[str, Any]]:
        answer = self.session.post("problems/", json=list(problems))
        assert answer.status_code == 200, answer.text
        said: list[dict[str, Any]] = answer.json()
        return said

    def list(self, **params: Any) -> list[dict[str, Any]]:
        answer = self.session.get("problems/", params=params)
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()
        return found
