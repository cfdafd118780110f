"""The depth of QAOA that a backend's gate errors carry.

A layer more makes the optimum likelier and an error too. With the survival ``s = (1 - e)**g`` of ``g`` two-qubit gates of error ``e``,
a shot is the optimum with ``s P + (1 - s) / outcomes``: what an error leaves is taken as random. The depth with the largest
value is chosen; a simulator has no errors and gets the deepest that is tried, unless a layer more gains next to nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from qhybrid_pipelines.core.binary_models.reduced_model import ReducedModel
from qhybrid_pipelines.core.jobs.circuit_jobs import Mixer
from qhybrid_pipelines.quantum.angle_search import AngleOptimiser
from qhybrid_pipelines.quantum.qaoa import qaoa_ansatz

#: Most qubits of a model, and the deepest circuit whose angles are optimised for it.
DEEPEST = ((12, 4), (16, 3), (20, 2))
#: A layer more has to make the optimum likelier by this share.
LEAST_GAIN = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class DepthChoice:
    """A number of layers, and why."""

    layers: int
    reason: str


def choose_depth(
    reduced_model: ReducedModel, mixer: Mixer, optimise: AngleOptimiser, *, backend: str, two_qubit_error: float | None
) -> DepthChoice:
    """Return the depth with the largest probability of the optimum on a backend.

    Args:
        reduced_model: with at least one variable.
        mixer: that it gets.
        optimise: gives the best angles of a depth, and with them the probability of the optimum without errors.
        backend: its name, for the reason.
        two_qubit_error: of its gates, None where it has or tells none.

    Raises:
        ValueError: the model is wider than what is simulated.
    """
    deepest = next((layers for width, layers in DEEPEST if reduced_model.size <= width), None)
    if deepest is None:
        raise ValueError(f"the optimum of {reduced_model.size} qubits is not simulated")
    ones = reduced_model.cardinality if mixer == "xy" else None
    error, random = two_qubit_error or 0.0, 2.0**-reduced_model.size
    shares: list[float] = []
    survivals: list[float] = []
    best = 0
    for layers in range(1, deepest + 1):
        gates = qaoa_ansatz(reduced_model.model, layers, mixer=mixer, cardinality=ones).two_qubit_gates
        survivals.append((1 - error) ** gates)
        if shares and survivals[-1] + random < shares[best]:
            survivals.pop()
            break  # even a certain optimum would be lost more often than it is found now
        probability = optimise(reduced_model, mixer, layers).optimum_probability
        shares.append(survivals[-1] * probability + (1 - survivals[-1]) * random)
        if shares[-1] > shares[best] * (1 + LEAST_GAIN):
            best = len(shares) - 1
    told = ", ".join(f"{share:.3g} with {layers}" for layers, share in enumerate(shares, start=1))
    why = (
        f"{backend} has no gate errors"
        if two_qubit_error is None
        else f"two-qubit gates of {backend} fail with {error:.2g}, so {survivals[best]:.0%} of the shots go without an error "
        "before compilation"
    )
    return DepthChoice(
        layers=best + 1,
        reason=f"{best + 1} layer{'s' if best else ''}: {why}; expected share of the optimum by layers: {told}",
    )
