r"""From a model and its embedding to the fields and couplings that an annealer is programmed with.

A field is spread evenly over the qubits of its chain, a coupling evenly over the couplers between two chains, and all
couplers within a chain hold its qubits together. Then everything is multiplied by the one factor that uses the device's
ranges to the full. For samples whose chains are whole, energies of device and model agree up to that factor and a constant.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from qhybrid_pipelines.core.binary_models.ising import F64, IsingModel
from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.core.jobs.embedding import Embedding
from qhybrid_pipelines.core.seeds import generator
from qhybrid_pipelines.quantum.annealing.embedding import check_embedding, coupler_groups
from qhybrid_pipelines.quantum.annealing.qubit_graph import I64, QubitGraph

#: Ocean's prefactor of the torque that a chain has to bear.
TORQUE_PREFACTOR = 1.414


@dataclass(frozen=True, kw_only=True)
class ProgrammedModel:
    """What an annealer is programmed with, and all that leads back from its samples to the model.

    Attributes:
        embedding: which qubits stand for which variable.
        fields: ``h`` of each of `Embedding.qubits`, shape ``(k,)``, in units of the machine.
        couplers: places in `Embedding.qubits` of the two qubits of each coupler, shape ``(m, 2)``.
        couplings: ``J`` of each of them, shape ``(m,)``, in units of the machine.
        scale: units of the machine per cost unit of the model.
        chain_strength: in cost units of the model: what breaking one coupler of a chain costs, halved.
        gauge: per variable +1, or -1 where it is programmed and measured upside down, shape ``(n,)``.
    """

    embedding: Embedding
    fields: F64
    couplers: I64
    couplings: F64
    scale: float
    chain_strength: float
    gauge: npt.NDArray[np.int8]


def torque_compensation(model: IsingModel) -> float:
    """Return the chain strength that Ocean chooses by default, in cost units of the model.

    ``1.414 * rms(J) * sqrt(mean degree)``, and 1 for a model without couplings. Source: ``uniform_torque_compensation`` in
    dwave-system, dwave/embedding/chain_strength.py.
    """
    if not len(model.couplings):
        return 1.0
    root_mean_square = float(np.sqrt(np.mean(model.couplings**2)))
    return TORQUE_PREFACTOR * root_mean_square * float(np.sqrt(2 * len(model.couplings) / model.size))


def random_gauge(n_variables: int, *, seed: int, number: int) -> npt.NDArray[np.int8]:
    """Return which variables are turned upside down in a gauge; number 0 turns none.

    Whole variables are turned, not single qubits: the couplings within chains stay ferromagnetic, for which devices have
    a wider range.
    """
    if number == 0:
        return np.ones(n_variables, dtype=np.int8)
    return generator(seed, "gauge", number).choice(np.array([-1, 1], dtype=np.int8), size=n_variables)


def program(
    model: IsingModel,
    embedding: Embedding,
    graph: QubitGraph,
    *,
    chain_strength_factor: float = 1.0,
    gauge: npt.NDArray[np.int8] | None = None,
) -> ProgrammedModel:
    """Return what a device is programmed with.

    Args:
        model: to be minimised.
        embedding: of the model, on ``graph``.
        graph: states the ranges.
        chain_strength_factor: times `torque_compensation`; above 0.
        gauge: shape ``(n,)``; None turns nothing.

    Raises:
        InvalidInput: the embedding does not fit, or the factor is not a positive number.
    """
    if not 0 < chain_strength_factor < float("inf"):
        raise InvalidInput(
            f"the chain strength {chain_strength_factor!r} is not a positive number",
            remedy="Give a factor of Ocean's default, for example 1.0.",
            field="annealing.chain_strength",
        )
    check_embedding(embedding, model, graph)
    turned = np.ones(model.size, dtype=np.int8) if gauge is None else gauge
    chain_strength = chain_strength_factor * torque_compensation(model)

    lengths = np.bincount(embedding.variables, minlength=model.size)
    fields = (model.linear * turned / np.maximum(lengths, 1))[embedding.variables]

    first, second, low, high = coupler_groups(embedding, graph)
    keys = model.pairs[:, 0].astype(np.int64) * model.size + model.pairs[:, 1]
    within = low == high
    pair = np.searchsorted(keys, low * model.size + high)
    pair[pair == len(keys)] = 0
    joins = ~within & (keys[pair] == low * model.size + high) if len(keys) else np.zeros(len(low), dtype=bool)
    shares = np.bincount(pair[joins], minlength=len(keys))
    couplings = np.zeros(len(low))
    couplings[within] = -chain_strength
    couplings[joins] = (model.couplings / np.maximum(shares, 1))[pair[joins]] * turned[low[joins]] * turned[high[joins]]
    kept = within | joins

    couplers = np.stack([first[kept], second[kept]], axis=1)
    scale = _largest_scale(fields, couplers, couplings[kept], within[kept], graph)
    return ProgrammedModel(
        embedding=embedding,
        fields=fields * scale,
        couplers=couplers,
        couplings=couplings[kept] * scale,
        scale=scale,
        chain_strength=chain_strength,
        gauge=turned,
    )


def _largest_scale(
    fields: F64, couplers: I64, couplings: F64, within: npt.NDArray[np.bool_], graph: QubitGraph
) -> float:
    """Return the largest factor that keeps everything in the ranges of a device; 1 for a model that is zero.

    The sums at a qubit are taken of its positive and of its negative couplings apart, which keeps every part of them in
    range, however a device groups its couplers.
    """
    chain_range = (graph.chain_coupling_low, graph.coupling_range[1])
    bounds = [
        *_bounds(fields, graph.field_range),
        *_bounds(couplings[~within], graph.coupling_range),
        *_bounds(couplings[within], chain_range),
    ]
    if graph.coupling_sum_range is not None:
        ends, twice = couplers.T.ravel(), np.tile(couplings, 2)
        for signed in (np.minimum(twice, 0), np.maximum(twice, 0)):
            sums = np.bincount(ends, weights=signed, minlength=len(fields)).astype(np.float64)
            bounds += _bounds(sums, graph.coupling_sum_range)
    return min(bounds, default=1.0)


def _bounds(values: F64, limits: tuple[float, float]) -> list[float]:
    """Return by which factors values may be multiplied at most, by the lower and by the upper limit."""
    low, high = float(values.min(initial=0.0)), float(values.max(initial=0.0))
    return [limit / value for limit, value in ((limits[0], low), (limits[1], high)) if value]
