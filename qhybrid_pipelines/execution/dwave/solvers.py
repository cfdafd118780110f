"""What the service says about its annealers and hybrid solvers: which there are, their qubit graphs, limits and how long runs take."""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from qhybrid_pipelines.core.canonical import canonical_json, sha256_hex
from qhybrid_pipelines.core.errors import InvalidInput, ProviderError, Rejected, Unavailable
from qhybrid_pipelines.core.jobs.backend_declaration import THIS_MACHINE
from qhybrid_pipelines.core.jobs.circuit_jobs import BackendStatus, Calibration, Capabilities
from qhybrid_pipelines.core.system.files import remove_leftovers, write_bytes
from qhybrid_pipelines.execution.dwave import NAME
from qhybrid_pipelines.execution.dwave.client import SapiClient
from qhybrid_pipelines.execution.dwave.declarations import ANNEALERS, HYBRID_SOLVERS
from qhybrid_pipelines.execution.dwave.hybrid_solvers import HYBRID_SOLVER, HybridSolver, hybrid_solver, is_hybrid
from qhybrid_pipelines.execution.http.http_errors import ResourceNotFound
from qhybrid_pipelines.quantum.annealing.qubit_graph import QubitGraph

#: Named until the service at the address has been asked once: loading the code location makes no request.
USUAL_SOLVERS = (
    "Advantage2_system1",
    "Advantage2_system4",
    "Advantage_system4",
    "Advantage_system6",
    "hybrid_binary_quadratic_model_version2",
)
_SOLVER = re.compile(rf"Advantage[A-Za-z0-9_.-]{{0,60}}|{HYBRID_SOLVER.pattern}")
_REGION = re.compile(r"[a-z]{2}-[a-z]+-[0-9]+")
_REMEMBERED_SECONDS = 180.0


@dataclass(frozen=True, kw_only=True)
class Annealer:
    """One solver as it describes itself.

    Attributes:
        name: the vendor's.
        graph: qubits, couplers and their ranges.
        most_reads: of one problem.
        annealing_times: shortest and longest, microseconds.
        longest_run: that one problem may ask for without its programming, microseconds.
        timing: the vendor's figures for its timing model.
        quota_conversion_rate: seconds of access time for one second of quota.
    """

    name: str
    graph: QubitGraph
    most_reads: int
    annealing_times: tuple[float, float]
    longest_run: float
    timing: dict[str, Any]
    quota_conversion_rate: float


class Solvers:
    """Reads solvers; what hardly changes is remembered for some minutes, and their names in a file per address."""

    def __init__(self, client: SapiClient, folder: Path) -> None:
        self._client, self._folder = client, folder
        remove_leftovers(folder)
        self._known: dict[tuple[str, str], tuple[float, Annealer]] = {}
        self._known_hybrids: dict[tuple[str, str], tuple[float, HybridSolver]] = {}
        self._listed_at: dict[str, float] = {}

    def names(self) -> tuple[str, ...]:
        """Return the full names of the solvers as the service listed them last, without asking it."""
        try:
            listed = json.loads(self._note(self._client.url).read_text(encoding="utf-8"))["solvers"]
            solvers = tuple(name for name in listed if _SOLVER.fullmatch(name))
        except (InvalidInput, OSError, ValueError, KeyError, TypeError):
            solvers = ()
        return tuple(f"{NAME}:{name}" for name in solvers or USUAL_SOLVERS)

    def annealer(self, backend: str, *, afresh: bool = False) -> Annealer:
        """Return what a solver is; ``afresh`` asks whether its graph is still the one that is remembered.

        Raises:
            Rejected: there is no such annealer.
            ProviderError: no usable answer.
        """
        name = solver_name(backend)
        if is_hybrid(backend):
            raise Rejected(
                f"{name} is a hybrid solver, without qubits to embed in: say annealing: {{time_limit_seconds: 5}}"
            )
        key = (self._client.url, name)
        then, known = self._known.get(key, (0.0, None))
        if (
            known is not None
            and time.monotonic() - then < _REMEMBERED_SECONDS
            and (not afresh or _graph_id(self._definition(name, "none,+identity")) == known.graph.graph_id)
        ):
            return known
        found = _annealer(name, self._definition(name, "none,+identity,+properties"))
        self._refresh_names()
        self._known[key] = (time.monotonic(), found)
        return found

    def hybrid(self, backend: str) -> HybridSolver:
        """Return what a hybrid solver is, remembered for some minutes. Raises as `annealer`."""
        name = solver_name(backend)
        if not is_hybrid(backend):
            raise Rejected(f"{name} is an annealer, and this is a model for a hybrid solver")
        key = (self._client.url, name)
        then, known = self._known_hybrids.get(key, (0.0, None))
        if known is not None and time.monotonic() - then < _REMEMBERED_SECONDS:
            return known
        found = hybrid_solver(name, self._definition(name, "none,+identity,+properties"))
        self._refresh_names()
        self._known_hybrids[key] = (time.monotonic(), found)
        return found

    def capabilities(self, backend: str, *, listing_lag_seconds: float, acceptance_seconds: float) -> Capabilities:
        """Return limits and abilities as the service states them. Raises as `annealer`."""
        if is_hybrid(backend):
            widest, most_shots, graph_id = self.hybrid(backend).most_variables, 1, None
        else:
            found = self.annealer(backend)
            widest, most_shots, graph_id = len(found.graph.qubits), found.most_reads, found.graph.graph_id
        local = self._client.on_this_machine
        return Capabilities(
            backend=backend,
            max_qubits=widest,
            max_shots=most_shots,
            max_circuits_per_job=1,
            native_gates=(),
            parametric=False,
            simulator=False,
            noisy=graph_id is not None,
            listing_lag_seconds=listing_lag_seconds,
            acceptance_seconds=acceptance_seconds,
            mode="emulator" if local else "hardware",
            region=THIS_MACHINE if local else _region(self._client.url),
            graph_id=graph_id,
            **(HYBRID_SOLVERS if is_hybrid(backend) else ANNEALERS).capability_fields(),
        )

    def calibration(self, backend: str) -> Calibration:
        """Return what works of an annealer, as it is remembered, without a date. Raises as `annealer`."""
        graph = self.annealer(backend).graph
        return Calibration(
            calibration_id=graph.graph_id,
            measured_at=None,
            fetched_at=datetime.now(UTC),
            payload={
                "topology": graph.family,
                "shape": list(graph.shape),
                "qubits": len(graph.qubits),
                "couplers": len(graph.couplers),
            },
        )

    def status(self, backend: str) -> BackendStatus:
        """Return whether it takes problems, with one request."""
        return BackendStatus(
            online=self._definition(solver_name(backend), "none,+identity,+status")["status"] == "ONLINE"
        )

    def _definition(self, name: str, shown: str) -> dict[str, Any]:
        try:
            _, found = self._client.get("solver-definition", "solvers", "remote", name, params=[("filter", shown)])
        except ResourceNotFound:
            raise Rejected(f"the provider has no solver {name}; it has {self._names_now()}") from None
        identity = found.get("identity") if isinstance(found, dict) else None
        if not isinstance(identity, dict) or identity.get("name") != name:
            raise Unavailable(f"the answer is not about the solver {name}")
        if "+status" in shown and not isinstance(found.get("status"), str):
            raise Unavailable(f"the answer does not say whether {name} is there")
        return dict(found)

    def _refresh_names(self) -> None:
        """Ask which solvers there are, once in a while; not knowing it hinders nothing."""
        listed_at = self._listed_at.get(self._client.url)
        if listed_at is None or time.monotonic() - listed_at > _REMEMBERED_SECONDS:
            try:
                self._ask_names()
            except ProviderError:
                self._listed_at[self._client.url] = time.monotonic()

    def _ask_names(self) -> tuple[str, ...]:
        url = self._client.url
        shown = [("filter", "none,+identity")]
        _, entries = self._client.get("solver-definition-list", "solvers", "remote", params=shown)
        if not isinstance(entries, list):
            raise Unavailable("the answer is not a list of solvers")
        identities = [entry.get("identity") for entry in entries if isinstance(entry, dict)]
        named = [one.get("name") for one in identities if isinstance(one, dict)]
        solvers = [name for name in named if isinstance(name, str) and _SOLVER.fullmatch(name)]
        write_bytes(self._note(url), canonical_json({"solvers": solvers}).encode())
        self._listed_at[url] = time.monotonic()
        return tuple(solvers)

    def _names_now(self) -> str:
        try:
            return ", ".join(self._ask_names()) or "none"
        except ProviderError as error:
            return f"others, but does not say which ({error})"

    def _note(self, url: str) -> Path:
        return self._folder / f"{sha256_hex(url)[:32]}.json"


def solver_name(backend: str) -> str:
    """Return the vendor's name of a backend, without asking. Raises `Rejected` for what cannot be one."""
    provider, _, name = backend.partition(":")
    if provider != NAME or not _SOLVER.fullmatch(name):
        raise Rejected(f"no backend {backend!r}; names are like {NAME}:{USUAL_SOLVERS[0]}")
    return name


def _region(url: str) -> str | None:
    first = (urlsplit(url).hostname or "").partition(".")[0]
    return first if _REGION.fullmatch(first) else None


def _graph_id(definition: dict[str, Any]) -> str | None:
    version = definition["identity"].get("version")
    found = version.get("graph_id") if isinstance(version, dict) else None
    return found if isinstance(found, str) else None


def _annealer(name: str, definition: dict[str, Any]) -> Annealer:
    """Read a definition. Raises `Unavailable` naming what it lacks."""
    graph_id, stated = _graph_id(definition), definition.get("properties")
    if graph_id is None or not isinstance(stated, dict):
        raise Unavailable(f"{name} does not tell its graph_id and properties; is it an annealer?")
    try:
        couplers = np.array(stated["couplers"], dtype=np.int64).reshape(-1, 2)
        sums = stated.get("per_qubit_coupling_range")
        graph = QubitGraph(
            graph_id=graph_id,
            family=stated["topology"]["type"],
            shape=tuple(int(one) for one in stated["topology"]["shape"]),
            qubits=np.array(stated["qubits"], dtype=np.int64),
            couplers=couplers,
            field_range=_pair(stated["h_range"]),
            coupling_range=_pair(stated["j_range"]),
            chain_coupling_low=_pair(stated["extended_j_range"])[0],
            coupling_sum_range=None if sums is None else _pair(sums),
        )
        found = Annealer(
            name=name,
            graph=graph,
            most_reads=int(stated["num_reads_range"][1]),
            annealing_times=_pair(stated["annealing_time_range"]),
            longest_run=_pair(stated["problem_run_duration_range"])[1],
            timing=dict(stated["problem_timing_data"]),
            quota_conversion_rate=float(stated.get("quota_conversion_rate", 1)),
        )
    except (KeyError, TypeError, ValueError, IndexError, OverflowError) as error:
        raise Unavailable(f"the properties of {name} cannot be read: {type(error).__name__} {error}") from None
    in_order = (np.diff(graph.qubits) > 0).all() and (np.diff(graph.coupler_keys) > 0).all()
    if (
        graph.family not in ("zephyr", "pegasus", "chimera")
        or not in_order
        or not (couplers[:, 0] < couplers[:, 1]).all()
    ):
        raise Unavailable(f"{name} is laid out in a way that this adapter does not know: {graph.family!r}")
    return found


def _pair(value: Any) -> tuple[float, float]:
    low, high = value
    return float(low), float(high)
