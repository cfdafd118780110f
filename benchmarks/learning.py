"""Time of one epoch of a variational classifier: ours against the loop that PennyLane's users write, interleaved.

An epoch is one pass over all samples: loss and gradient of 8 qubits, 3 layers and 72 weights, then Adam's step. The loop calls a
QNode (`default.qubit`, backpropagation by autograd) sample by sample; "broadcast" is the same with all samples in one call. The
script first checks that all ways give the same loss and gradient.

    python benchmarks/learning.py                       # several minutes: the loop is slow
    python benchmarks/learning.py --qubits 4 --samples 100
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from statistics import median

import numpy as np
from measuring import interleaved, machine, show, span
from threadpoolctl import threadpool_limits

from qhybrid_pipelines.core.binary_models.ising import F64
from qhybrid_pipelines.learning.circuits.class_scores import I64, circuit_from_parameters, split_parameters
from qhybrid_pipelines.learning.circuits.gradient_engines import GradientEngineName, make_gradient_engine
from qhybrid_pipelines.learning.circuits.reuploading_circuit import CircuitShape, apply_layers
from qhybrid_pipelines.learning.training.trainer import Trainer, TrainingConfig, initial_parameters

# PennyLane asks jax in a way that the next release will drop.
warnings.filterwarnings("ignore", message="jax.core.is_concrete is deprecated")

LOOP = "QNode loop, sample by sample"
ENGINES: tuple[GradientEngineName, ...] = ("adjoint", "autograd", "jax")
NAMES = {
    "adjoint": "adjoint (NumPy, base install)",
    "autograd": "autograd, broadcast (base install)",
    "jax": "jax (extra)",
}
#: Epochs per round of a fast way, so that a clock's tick and a scheduler's slice do not decide.
EPOCHS = {"adjoint": 20, "autograd": 1, "jax": 20}


def naive(shape: CircuitShape) -> Callable[[F64, F64, I64], tuple[float, F64]]:
    """Return loss and gradient as in PennyLane's tutorial on variational classifiers: one QNode call per sample."""
    import pennylane as qml
    from pennylane import numpy as pnp

    device = qml.device("default.qubit", wires=shape.n_qubits)

    @qml.qnode(device, interface="autograd", diff_method="backprop")
    def circuit(features, weights):
        apply_layers(features, weights, shape)
        return [qml.expval(qml.Z(qubit)) for qubit in range(shape.n_qubits)]

    def loss(parameters, features, targets):
        weights, readout, bias = split_parameters(parameters, shape)
        odds = [(readout @ pnp.stack(circuit(row, weights)) + bias)[0] for row in features]
        return sum(pnp.logaddexp(0.0, odd) - target * odd for odd, target in zip(odds, targets, strict=True)) / len(
            odds
        )

    gradient = qml.grad(loss, argnums=0)

    def both(parameters, features, targets):
        slope = gradient(pnp.array(parameters, requires_grad=True), features, targets)
        return float(gradient.forward), np.asarray(slope)

    return both


class Naive:
    """The loop as an engine, so that it takes the very same steps of Adam."""

    def __init__(self, shape: CircuitShape) -> None:
        self.name, self.loss_and_gradient = "naive", naive(shape)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--qubits", type=int, default=8)
    parser.add_argument("--layers", type=int, default=3)
    parser.add_argument("--samples", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    shape = CircuitShape(n_features=options.qubits, n_qubits=options.qubits, layers=options.layers, entangled=True)
    rng = np.random.default_rng(7)
    features = rng.uniform(-np.pi / 2, np.pi / 2, (options.samples, options.qubits))
    targets = rng.integers(0, 2, options.samples)
    names = [name for name in ENGINES if name != "jax" or find_spec("jax") is not None]
    engines = {NAMES[name]: make_gradient_engine(name, shape) for name in names} | {LOOP: Naive(shape)}

    parameters = initial_parameters(shape, 1, 7)
    reference_loss, reference = engines[NAMES["adjoint"]].loss_and_gradient(parameters, features, targets)
    for name, engine in engines.items():
        loss, gradient = engine.loss_and_gradient(parameters, features, targets)
        off = max(abs(loss - reference_loss), float(abs(gradient - reference).max()))
        assert off < 1e-12, f"{name} is off by {off:.1e}"

    epochs = {NAMES[name]: EPOCHS[name] for name in names} | {LOOP: 1}

    def epoch_of(name: str) -> Callable[[], None]:
        config = TrainingConfig(
            learning_rate=0.01,
            batch_size=options.samples,
            max_iterations=10**9,
            window=10**9,
            must_converge=False,
            seed=7,
        )
        steps = Trainer(shape, config, features, targets, n_classes=2, engine=engines[name]).iterations()

        def run() -> None:
            # As in the models' own `fit`: one thread for the small matrix products.
            with threadpool_limits(limits=1, user_api="blas"):
                for _ in range(epochs[name]):
                    next(steps)

        return run

    timings = interleaved({name: epoch_of(name) for name in engines}, rounds=options.rounds)
    rows = []
    for name, timing in timings.items():
        each = [seconds / epochs[name] for seconds in timing.seconds]
        times = [slow / fast for slow, fast in zip(timings[LOOP].seconds, each, strict=True)]
        rows.append(
            {
                "way": name,
                "ms an epoch (median)": 1000 * median(each),
                "lowest to highest": span(1000 * value for value in each),
                "times the loop (median)": median(times),
                "lowest to highest ratio": span(times),
            }
        )
    packages = ["numpy", "pennylane", "autograd", *(["jax"] if "jax" in names else [])]
    about = vars(options) | {
        "weights": shape.n_weights,
        "parameters": len(circuit_from_parameters(parameters, shape).parameters),
    }
    show("Epoch of a variational classifier", rows, about | machine(*packages))


if __name__ == "__main__":
    main()
