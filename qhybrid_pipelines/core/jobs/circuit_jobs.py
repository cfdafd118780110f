"""What goes to a provider and what comes back: templates, batches, references, snapshots, raw results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from qhybrid_pipelines.core.canonical import sha256_hex
from qhybrid_pipelines.core.jobs.backend_declaration import Declaration, Plane
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines.core.jobs.payload_hash import payload_hash
from qhybrid_pipelines.core.text.redaction import clean_fields, clean_values

if TYPE_CHECKING:  # who only reads about jobs needs no NumPy
    from qhybrid_pipelines.core.binary_models.bits import U64
    from qhybrid_pipelines.core.binary_models.ising import F64, IsingModel


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A parameterised circuit without numbers: every angle is an input, so one text serves many instances.

    Attributes:
        text: OpenQASM 3 with scalar ``input float[64]`` parameters, one classical register ``c`` that measures
            qubit ``i`` into bit ``i``.
        parameters: input names in the order of the columns of a binding.
        n_qubits: width.
    """

    text: str
    parameters: tuple[str, ...]
    n_qubits: int

    @property
    def template_id(self) -> str:
        """SHA-256 of the text."""
        return sha256_hex(self.text)


Mixer = Literal["x", "xy", "warm_start"]


@dataclass(frozen=True, slots=True, kw_only=True)
class QaoaStructure:
    """What a QAOA template means, for engines that exploit it; says the same as template and bindings.

    Layer ``l`` applies ``exp(-i gamma_l (E - c))`` with ``E`` the Ising energy of ``model`` in its own units, then the
    mixer with angle ``beta_l``: ``x`` is ``exp(-i beta X)`` on every qubit, ``xy`` is
    ``exp(-i beta (XX + YY) / 2)`` on the pairs of a ring (even pairs, odd pairs, closing pair), which keeps the
    number of ones; of ``warm_start`` see `quantum.simulation.warm_start`.

    Attributes:
        model: cost to be minimised.
        mixer: ``x`` starts from the uniform superposition, ``xy`` from the Dicke state of ``cardinality`` ones, ``warm_start`` near
            the minimum of a relaxation of ``model``.
        cardinality: number of ones for ``xy``, else None.
        angles: shape ``(points, 2 p)``, gammas first, then betas, in radians.
    """

    model: IsingModel
    mixer: Mixer
    cardinality: int | None
    angles: F64


def ring_pairs(n: int) -> list[tuple[int, int]]:
    """Return the pairs of the ``xy`` mixer's ring over ``n`` qubits in the order in which they act.

    Even pairs (0, 1), (2, 3), ..., then odd pairs (1, 2), (3, 4), ..., then the closing pair (n - 1, 0) for ``n > 2``.
    """
    chain = [(i, i + 1) for start in (0, 1) for i in range(start, n - 1, 2)]
    return [*chain, (n - 1, 0)] if n > 2 else chain


@dataclass(frozen=True, slots=True, kw_only=True)
class CircuitBatch:
    """Template x bindings x shots x seeds for one backend.

    Attributes:
        bindings: shape ``(points, len(template.parameters))``, radians, every number the circuit needs.
        shots: per point and repetition.
        seeds: shape ``(points, repetitions)``, one sampling seed each; simulators must use them.
        structure: set for QAOA templates.
        compile_points: every point is to be compiled with its numbers, as a job of its own; see `core.jobs.sub_batches`.
        suppression: switches of the vendor that are set, as ``switch:value``, for example ``dynamical_decoupling:XY4``.
    """

    plane: ClassVar[Plane] = "gate"

    experiment: str
    backend: str
    template: Template
    bindings: F64
    shots: int
    seeds: U64
    structure: QaoaStructure | None = None
    compile_points: bool = False
    suppression: tuple[str, ...] = ()

    @property
    def points(self) -> int:
        """Number of parameter points."""
        return int(self.bindings.shape[0])

    @property
    def repetitions(self) -> int:
        """Number of independent runs of every point."""
        return int(self.seeds.shape[1])

    @property
    def width(self) -> int:
        """Bits of an outcome."""
        return self.template.n_qubits

    @property
    def qubits(self) -> int:
        """Qubits that it needs."""
        return self.template.n_qubits

    @property
    def program_id(self) -> str:
        """Hash of the template's text."""
        return self.template.template_id

    @property
    def payload_sha256(self) -> str:
        """Hash of all that decides the result: template, bindings, shots, seeds, backend, switches. Not the experiment's name."""
        said = {"template": self.template.template_id, "backend": self.backend, "shots": self.shots}
        later = ({"compile": "points"} if self.compile_points else {}) | (
            {"suppression": list(self.suppression)} if self.suppression else {}
        )
        return payload_hash(said | later, seeds=self.seeds, bindings=self.bindings)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRef:
    """What a provider calls a job."""

    provider: str
    backend: str
    provider_job_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedJob:
    """A job in a provider's list that carries one of our tokens; ``home_id`` is empty where its label names no home."""

    ref: JobRef
    home_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenListing:
    """What one listing says about some tokens.

    Attributes:
        jobs: by token, the jobs that carry it, oldest first; a token that is not listed is missing.
        known: those of the jobs named as known that the same listing shows.
        labelled: by token, further jobs that it shows and that name a home, whatever was looked for; two of one token, too.
    """

    jobs: Mapping[str, tuple[ListedJob, ...]]
    known: frozenset[str] = frozenset()
    labelled: Mapping[str, tuple[ListedJob, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What one poll of a job brought: our state, the vendor's words as `core.text.redaction` cleans them, its timestamps where there are any."""

    ref: JobRef
    state: JobState
    raw_status: str
    submitted_at: datetime | None = None
    started_at: datetime | None = None
    completed_at: datetime | None = None
    cost_usd: float | None = None
    message: str | None = None

    def __post_init__(self) -> None:
        clean_fields(self, raw_status=100, message=500)


@dataclass(frozen=True, slots=True, kw_only=True)
class RawResult:
    """A vendor's answer, byte for byte."""

    ref: JobRef
    content: bytes
    content_type: str

    @property
    def sha256(self) -> str:
        """SHA-256 of the content."""
        return sha256_hex(self.content)


@dataclass(frozen=True, slots=True, kw_only=True)
class Compiled:
    """A template made ready for one backend; ``native`` is what the provider wants, opaque to everybody else.

    Attributes:
        gates: how many it has, for backends that limit the gates of a job.
    """

    template_id: str
    compiled_sha256: str
    depth: int
    two_qubit_gates: int
    compile_seconds: float
    native: Any = field(repr=False, default=None)
    gates: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a backend can do, read from the provider and not guessed.

    Attributes:
        mode: what is behind the name: ``hardware``, ``simulator`` (of a vendor or on this machine),
            ``local-testing`` (a vendor's client with a simulated device), ``emulator`` (a stand-in for a vendor's cloud).
        immediate: a job is done when it is acknowledged; otherwise it is submitted, left, and collected later.
        min_shots: fewest shots per circuit.
        max_executions_per_job: most circuits x shots in one job; None where only circuits are limited.
        min_executions_per_job: fewest circuits x shots in a job of several circuits; a single circuit is bound by ``min_shots`` alone.
        max_gates_per_job: most gates of all circuits of a job together; None where they are not limited.
        dedupe: ``token`` (the provider refuses or merges a token it has seen), ``tag_lookup`` (jobs can be searched by
            token, visible after ``listing_lag_seconds``) or ``none``.
        acceptance_seconds: how long after its intent was written down a request may still be accepted, the half minute
            included that its sender has for sending it. Only when that is over does a token that is not found prove that
            nothing was accepted.
        queue: how its queue behaves, a few words.
        security: how callers are authenticated, a few words.
        sdks: ways to reach it, a few words.
        observability: what it tells about a job's life, a few words.
        integration: what it takes to use it, a few words.
        engines: for simulators, the engines behind this backend in order of preference; they compile within their run.
        region: where jobs are processed, for example ``eu-de``; None where neither provider nor operator says so.
        graph_id: of the qubit graph that an annealer has now; None for backends that run circuits.
        suppression: switches against errors that its interface has and the adapter sets, see `CircuitBatch.suppression`.
        runs_as_compiled: circuits run gate by gate as they were compiled here, so that a gate and its inverse are not taken out.
        readout_calibrated: of a noisy backend, its calibration says how often each bit of a result is read wrongly.
        declared: what the adapter says about the group that this backend belongs to.
    """

    backend: str
    max_qubits: int
    max_shots: int
    max_circuits_per_job: int
    native_gates: tuple[str, ...]
    parametric: bool
    simulator: bool
    noisy: bool
    dedupe: Literal["token", "tag_lookup", "none"]
    listing_lag_seconds: float
    states: tuple[JobState, ...]
    queue: str
    security: str
    mode: Literal["hardware", "simulator", "local-testing", "emulator"] = "simulator"
    immediate: bool = False
    acceptance_seconds: float = 0.0
    min_shots: int = 1
    max_executions_per_job: int | None = None
    min_executions_per_job: int = 1
    max_gates_per_job: int | None = None
    sdks: str = ""
    observability: str = ""
    integration: str = ""
    engines: tuple[str, ...] = ()
    region: str | None = None
    graph_id: str | None = None
    readout_calibrated: bool = False
    runs_as_compiled: bool = False
    suppression: tuple[str, ...] = ()
    declared: Declaration | None = field(default=None, repr=False)

    @property
    def plane(self) -> Plane:
        """Which kind of work it takes."""
        return self.declared.plane if self.declared else "gate"

    @property
    def estimations(self) -> tuple[str, ...]:
        """What a specification's ``mitigation.estimation`` may ask of it; nothing beside ``none`` where it runs no circuits."""
        two_body = ("two_body",) if not self.noisy or self.readout_calibrated else ()
        zne = ("zne",) if self.runs_as_compiled else ()
        return ("none", *two_body, *zne) if self.plane == "gate" else ("none",)


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendStatus:
    """Whether a backend takes jobs now, how long its queue is, and why it runs none; None where the provider does not say."""

    online: bool
    queued_jobs: int | None = None
    queue_seconds: float | None = None
    reason: str | None = None

    def __post_init__(self) -> None:
        clean_fields(self, reason=200)


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """A description of a device's quality, the vendor's words in it as `core.text.redaction` cleans them.

    Attributes:
        calibration_id: the provider's, or a hash of what it says.
        measured_at: None where the provider says what holds now, and not since when; no rule about its age applies then.
        fetched_at: when it was asked for.
        payload: what the provider says.
    """

    calibration_id: str
    measured_at: datetime | None
    fetched_at: datetime
    payload: dict[str, Any]

    @property
    def dated(self) -> datetime:
        """When it was measured, or, where nobody says that, seen: what calibrations are put in order by."""
        return self.fetched_at if self.measured_at is None else self.measured_at

    @property
    def noted(self) -> dict[str, str]:
        """What a job's history says of it: its id, and when it was measured, if that is known."""
        said = {"calibration_id": self.calibration_id}
        return said if self.measured_at is None else said | {"calibration_measured_at": self.measured_at.isoformat()}

    def __post_init__(self) -> None:
        clean_fields(self, calibration_id=200)
        object.__setattr__(self, "payload", clean_values(self.payload))


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What a batch will cost: a range, with what it assumes and where the prices come from."""

    low_usd: float
    high_usd: float
    assumptions: str
    source: str

    def __post_init__(self) -> None:
        clean_fields(self, assumptions=1000, source=500)


class CancelOutcome(StrEnum):
    """What a request to cancel came to."""

    CANCELLED = "cancelled"
    REQUESTED = "requested"
    TOO_LATE = "too_late"
