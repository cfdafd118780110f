"""How the shots that find an optimal low-autocorrelation sequence grow with its length, at frozen angles.

One set of angles for all lengths: ``gamma_l = g_l / N`` and ``beta_l``, each a polynomial of the layer. They are fitted here, on short sequences, to the mean
logarithm of the probability of an optimum, from ramps, by L-BFGS with exact gradients, and then frozen. How many coefficients the polynomials
have is chosen on the short sequences, too: by what the two longest of them get from a fit to the others. The circuit has all N
qubits, without the symmetries that the pipeline uses, as in the publication that the last line names. A shot finds an optimum with
the probability P, so 1 / P shots do it in the mean; what grows is fitted as ``log(1 / P) = a + N log(b)`` by least squares, and the interval is
that of Student's t at 95 %. Exact states: neither chance nor the load of the machine changes a figure, but for the seconds.

    python benchmarks/labs_scaling.py                         # 12 layers, fitted at N = 8 to 14, asked at N = 8 to 20
    python benchmarks/labs_scaling.py --layers 4 --fit 6 10 --lengths 6 14
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np
from measuring import machine, show
from scipy.optimize import minimize
from scipy.stats import linregress
from scipy.stats import t as student

from qhybrid_pipelines.core.binary_models.ising import F64
from qhybrid_pipelines.core.binary_models.reduced_model import ReducedModel
from qhybrid_pipelines.problems.families.labs import FAMILY, Length, sequence_of_length
from qhybrid_pipelines.problems.solvers.labs import OPTIMA
from qhybrid_pipelines.quantum.angle_search import OptimumObjective
from qhybrid_pipelines.quantum.exact_state import Gradient, QaoaState
from qhybrid_pipelines.quantum.ramps import cost_scale, ramp

#: Exponents of R. Shaydulin et al., Science Advances 10(22) (2024), arXiv:2308.02342: noiseless circuits of 12 layers alone, the same within quantum minimum
#: finding, which needs fault tolerance, and the best classical heuristic; sequences longer than those here.
PUBLISHED = "published, longer sequences: QAOA of 12 layers 1.46^N, within quantum minimum finding 1.21^N; memetic tabu search 1.34^N"


#: Coefficients of each polynomial that are tried, and slopes of the ramps to begin with.
ORDERS = (2, 3, 4, 5, 6)
SLOPES = (0.4, 0.75, 1.2)


class SequenceCircuit:
    """The circuit of one length."""

    def __init__(self, size: int) -> None:
        model = FAMILY.penalised_model(sequence_of_length(Length(n=size))).model
        self.size, self.scale = size, cost_scale(model)
        whole = ReducedModel(
            model=model,
            root=np.arange(size, dtype=np.int32),
            value=np.zeros(size, dtype=np.uint8),
            cardinality=None,
            exact=True,
        )
        state = QaoaState(whole, "x")
        if state.energies.min() != OPTIMA[size]:
            raise SystemExit(f"length {size}: {state.energies.min()} is not the published optimum")
        self.optima = int((model.diagonal == OPTIMA[size]).sum())
        self._loss: Gradient = state.gradient(OptimumObjective(state.energies))

    def loss(self, shared: F64) -> tuple[float, F64]:
        """Return minus the logarithm of the probability of an optimum, and its gradient by the shared angles."""
        layers = len(shared) // 2
        units = np.repeat([1.0 / self.size, 1.0], layers)
        value, slopes = self._loss(shared * units)
        return value, slopes * units


def schedules(layers: int, order: int) -> F64:
    """Return the matrix from ``2 order`` numbers to the angles: gammas and betas are polynomials of the layer, of that many coefficients each."""
    middle = 2 * (np.arange(layers) + 0.5) / layers - 1
    half = np.polynomial.legendre.legvander(middle, order - 1)
    return np.kron(np.eye(2), half)


def fit(circuits: list[SequenceCircuit], layers: int, order: int) -> F64:
    """Return the shared angles of some lengths, gammas first."""
    matrix = schedules(layers, order)

    def loss(numbers: F64) -> tuple[float, F64]:
        parts = [circuit.loss(matrix @ numbers) for circuit in circuits]
        return float(np.mean([value for value, _ in parts])), matrix.T @ np.mean([slope for _, slope in parts], axis=0)

    scale = float(np.mean([circuit.scale * circuit.size for circuit in circuits]))
    starts = [ramp(layers, scale=scale, gamma_slope=first, beta_slope=second) for first in SLOPES for second in SLOPES]
    found = [
        minimize(loss, np.linalg.pinv(matrix) @ start, jac=True, method="L-BFGS-B", options={"maxiter": 300})
        for start in starts
    ]
    return np.asarray(matrix @ min(found, key=lambda one: float(one.fun)).x)


def choose_order(circuits: list[SequenceCircuit], layers: int) -> int:
    """Return how many coefficients generalise best: fitted to all but the two longest sequences, and judged by these two."""
    losses = {}
    for order in ORDERS:
        shared = fit(circuits[:-2], layers, order)
        losses[order] = float(np.mean([circuit.loss(shared)[0] for circuit in circuits[-2:]]))
    return min(losses, key=lambda order: losses[order])


def exponent(sizes: F64, shots: F64) -> str:
    """Return the base of an exponential through the shots, with its interval."""
    line = linregress(sizes, np.log(shots))
    half = student.ppf(0.975, len(sizes) - 2) * line.stderr
    return f"{np.exp(line.slope):.3f} [{np.exp(line.slope - half):.3f}, {np.exp(line.slope + half):.3f}]"


def main() -> None:
    """Fit, freeze, ask, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--layers", type=int, default=12)
    parser.add_argument("--fit", type=int, nargs=2, default=(8, 14), metavar=("FROM", "TO"))
    parser.add_argument("--lengths", type=int, nargs=2, default=(8, 20), metavar=("FROM", "TO"))
    arguments = parser.parse_args()
    first, last = arguments.fit
    began = time.process_time()
    circuits = [SequenceCircuit(size) for size in range(first, last + 1)]
    order = choose_order(circuits, arguments.layers)
    shared = fit(circuits, arguments.layers, order)
    fitted = time.process_time() - began
    rows: list[dict[str, Any]] = []
    for size in range(arguments.lengths[0], arguments.lengths[1] + 1):
        circuit = SequenceCircuit(size)
        probability = float(np.exp(-circuit.loss(shared)[0]))
        random = circuit.optima / 2**size
        rows.append(
            {
                "N": size,
                "optimum": OPTIMA[size],
                "sequences": circuit.optima,
                "angles": "fitted" if first <= size <= last else "frozen",
                "P(optimum)": f"{probability:.3g}",
                "shots": 1 / probability,
                "random shots": 1 / random,
                "times random": f"{probability / random:.0f}",
            }
        )
    sizes, shots = (np.array([row[name] for row in rows], dtype=float) for name in ("N", "shots"))
    at_random = np.array([row["random shots"] for row in rows])
    for row in rows:
        row |= {name: f"{row[name]:,.1f}" for name in ("shots", "random shots")}
    show(
        "Shots to an optimal sequence",
        rows,
        {
            **machine("numpy", "scipy"),
            "gammas_times_n": shared[: arguments.layers].tolist(),
            "betas": shared[arguments.layers :].tolist(),
        },
    )
    print(
        f"{arguments.layers} layers, {order} coefficients each for gammas and betas, fitted at N = {first} to {last} in {fitted:.0f} s of "
        "one processor"
    )
    print(f"shots grow as b^N, all lengths: b = {exponent(sizes, shots)}")
    beyond = sizes > last
    if beyond.sum() > 2:
        print(f"shots grow as b^N, frozen angles only: b = {exponent(sizes[beyond], shots[beyond])}")
    print(f"random shots: b = {exponent(sizes, at_random)}")
    print(PUBLISHED)


if __name__ == "__main__":
    main()
