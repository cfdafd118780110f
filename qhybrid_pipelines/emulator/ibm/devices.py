"""What the emulated devices of IBM are: the snapshots that the vendor's client brings along, drifting from day to day.

A device's properties tell the errors that its jobs suffer under the law ``local``: those of the snapshot, of each qubit and
pair, times what the day's characterization is worse than the average. A snapshot is read when somebody asks for its device.
"""

from __future__ import annotations

import copy
import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from qhybrid_pipelines.emulator.clock import stamp
from qhybrid_pipelines.emulator.drift import Characterization
from qhybrid_pipelines.emulator.local_errors import F64, LocalErrors
from qhybrid_pipelines.emulator.machines import TIMING, Fidelity, Machine

SECOND_USD = 1.6
"""Price of a second of use; the vendor's pay-as-you-go price as commonly quoted, 96 USD a minute."""
LOADING_SECONDS = 2.0
"""Virtual seconds that a device needs for a job beside its shots."""
SHOT_SECONDS = 250e-6
"""Virtual seconds from one shot to the next, the snapshots' usual delay."""
LONGEST_SECONDS = 10_800
"""A job that runs longer is ended."""
MOST_EXECUTIONS = 10_000_000
"""Circuits times shots of one job."""

_PAIR_GATES = ("cx", "cz")
_TIMES = ("T1", "T2")
_READOUT = ("readout_error", "prob_meas0_prep1", "prob_meas1_prep0")


def _machine(name: str, qubits: int, *, one_qubit: float, two_qubit: float, readout: float, wait: float) -> Machine:
    """Return a machine whose average fidelities are the medians of its snapshot."""
    return Machine(
        name=name,
        qubits=qubits,
        max_shots=100_000,
        max_circuits=MOST_EXECUTIONS,
        average_fidelity=Fidelity(one_qubit=1 - one_qubit, two_qubit=1 - two_qubit, spam=1 - readout),
        serial=True,
        average_wait_seconds=wait,
        one_qubit_gate_usd=0.0,
        two_qubit_gate_usd=0.0,
        minimum_usd=0.0,
    )


DEVICES: Mapping[str, Machine] = MappingProxyType(
    {
        machine.name: machine
        for machine in (
            _machine("ibm_manila", 5, one_qubit=3.539e-4, two_qubit=1.0091e-2, readout=0.0219, wait=10.0),
            _machine("ibm_torino", 133, one_qubit=2.711e-4, two_qubit=4.190e-3, readout=0.02295, wait=30.0),
            _machine("ibm_fez", 156, one_qubit=2.287e-4, two_qubit=3.903e-3, readout=0.00757, wait=40.0),
            _machine("ibm_marrakesh", 156, one_qubit=2.305e-4, two_qubit=3.295e-3, readout=0.00952, wait=40.0),
        )
    }
)
"""Every device by name; their prices by gate are not used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The vendor's files about one device, as they were written, except that they say its name here."""

    configuration: dict[str, Any]
    properties: dict[str, Any]

    @property
    def gates(self) -> frozenset[str]:
        """Names of the gates that the device has figures for."""
        return frozenset(gate["gate"] for gate in self.properties["gates"])

    @property
    def pairs(self) -> frozenset[frozenset[int]]:
        """Pairs of qubits that interact."""
        return frozenset(frozenset(pair) for pair in self.configuration["coupling_map"])


@cache
def snapshot(name: str) -> Snapshot:
    """Return the snapshot of a device.

    Raises:
        FileNotFoundError: the vendor's client is not installed, or keeps its snapshots elsewhere.
    """
    place, word = find_spec("qiskit_ibm_runtime"), name.removeprefix("ibm_")
    for folder in (place and place.submodule_search_locations) or ():
        files = Path(folder, "fake_provider", "backends", word)
        found = [json.loads((files / f"{kind}_{word}.json").read_bytes()) for kind in ("conf", "props")]
        return Snapshot(configuration=found[0] | {"backend_name": name}, properties=found[1] | {"backend_name": name})
    raise FileNotFoundError(name)


def properties(device: Machine, day: Characterization) -> dict[str, Any]:
    """Return a device's properties as the interface shows them: the snapshot's, as they are on a day, all dated then."""
    found, worse = copy.deepcopy(snapshot(device.name).properties), worsening(device, day)
    found["last_update_date"] = moment = stamp(day.measured_at)
    for figure in (figure for figures in found["qubits"] for figure in figures):
        figure["date"] = moment
        if figure["name"] in _READOUT:
            figure["value"] = _worse(figure["value"], worse.spam, most=0.5)
    for gate in found["gates"]:
        factor = worse.one_qubit if len(gate["qubits"]) == 1 else worse.two_qubit
        for figure in gate["parameters"]:
            figure["date"] = moment
            if figure["name"] == "gate_error":
                figure["value"] = _worse(figure["value"], factor, most=0.9)
    for figure in (*found["general"], *found.get("general_qlists", ())):
        if "date" in figure:
            figure["date"] = moment
    return found


def worsening(device: Machine, day: Characterization) -> Fidelity:
    """Return by how much errors are larger on a day than on the average one: factors in the place of fidelities."""
    average = device.average_fidelity
    assert average is not None
    return Fidelity(
        one_qubit=(1 - day.fidelity.one_qubit) / (1 - average.one_qubit),
        two_qubit=(1 - day.fidelity.two_qubit) / (1 - average.two_qubit),
        spam=(1 - day.fidelity.spam) / (1 - average.spam),
    )


def told_errors(device: Machine, day: Characterization, used: Sequence[int]) -> LocalErrors:
    """Return the errors of some qubits as the device's properties tell them on a day.

    A reported error is one minus the average fidelity of a gate; the probability that some Pauli strikes is that times
    ``(d + 1) / d`` in dimension ``d``. Times are scaled: a qubit that waits for a gate on a pair relaxes as much as told.

    Args:
        device: whose qubits.
        day: of the characterization.
        used: their numbers; they are numbered by their place here.
    """
    found = properties(device, day)
    place = {qubit: index for index, qubit in enumerate(used)}
    one, two = np.zeros(len(used)), np.zeros((len(used), len(used)))
    lengths = []
    for gate in found["gates"]:
        told = {figure["name"]: figure["value"] for figure in gate["parameters"]}
        if gate["gate"] in _PAIR_GATES:
            lengths.append(told["gate_length"])
        if not all(qubit in place for qubit in gate["qubits"]):
            continue
        where = [place[qubit] for qubit in gate["qubits"]]
        if gate["gate"] == "sx":
            one[where[0]] = min(1.5 * told["gate_error"], 0.75)
        elif gate["gate"] in _PAIR_GATES:
            a, b = where
            two[a, b] = two[b, a] = max(two[a, b], min(1.25 * told["gate_error"], 0.9375))
    scale = TIMING["2q"] / (statistics.median(lengths) * 1e-9)

    def figures(name: str) -> F64:
        told = [{one["name"]: one["value"] for one in found["qubits"][qubit]} for qubit in used]
        return np.array([one.get(name, 0.0 if name not in _TIMES else np.inf) for one in told], dtype=float)

    t1 = figures("T1") * 1e-6 * scale
    return LocalErrors(
        bad_qubit=int(np.argmax(figures("readout_error"))) if used else 0,
        one_qubit=one,
        two_qubit=two,
        read_zero_as_one=figures("prob_meas1_prep0"),
        read_one_as_zero=figures("prob_meas0_prep1"),
        t1_seconds=t1,
        t2_seconds=np.minimum(figures("T2") * 1e-6 * scale, 2 * t1),
    )


def _worse(value: float, factor: float, *, most: float) -> float:
    """Return a probability times a factor, bounded; what was above the bound before is a fault of the device and stays."""
    return value if value >= most else min(value * factor, most)
