"""What several experiments would cost together, and what is said of them before anything is sent."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from qhybrid_pipelines.core.errors import QHybridError
from qhybrid_pipelines.core.specifications.learning_specification import LearningSpec
from qhybrid_pipelines.core.specifications.sampling_specification import AnySpec, SamplingSpec
from qhybrid_pipelines.steps.learning.training_budget import cheaper_training
from qhybrid_pipelines.steps.on_demand.circuit_variables import CircuitVariables
from qhybrid_pipelines.steps.values_from_rows import Row

#: What a row says instead of the policy's word; the reason is among the problems.
REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What several experiments would cost together.

    Attributes:
        rows: one per experiment and backend, for learning experiments also per circuit and shots.
        problems: why some of them would not go now.
        epochs: for learning experiments, what one pass of training on a backend would be; nobody has to buy it.
        circuits: for experiments with a circuit of their own, which variable each of its qubits is.
        sensitivities: for circuits of QAOA, what their angles do to the mean energy and what gate errors take, in a sentence.
        depths: for experiments that leave the depth to the backend's gate errors, which it is now, and why.
    """

    rows: list[Row]
    problems: list[QHybridError]
    epochs: list[Row] = field(default_factory=list)
    circuits: list[CircuitVariables] = field(default_factory=list)
    depths: list[Row] = field(default_factory=list)
    sensitivities: list[Row] = field(default_factory=list)

    @property
    def totals(self) -> Row:
        """Sums over the rows that would go; money is what is still to be paid.

        `without_price` counts the rows whose price nobody could tell, `refused` those that policy, limits or budget keep
        from going: they are in no sum.
        """
        names = ("jobs", "jobs_paid", "circuits", "shots", "low_usd", "high_usd")
        going = [row for row in self.rows if row["policy"] != REFUSED]
        sums = {name: sum(row[name] or 0 for row in going) for name in names}
        without_price = sum(row["high_usd"] is None for row in going)
        return sums | {"without_price": without_price, "refused": len(self.rows) - len(going)}

    def sentences(self) -> Iterator[str]:
        """Yield what is said of depths and angles, for people."""
        for row in self.depths:
            yield f"{row['experiment']}: {row['depth']}"
        for row in self.sensitivities:
            yield f"{row['experiment']} on {row['backend']}: {row['sensitivity']}"

    @property
    def exit_code(self) -> int:
        """0, or the code of the worst problem."""
        return max((problem.exit_code for problem in self.problems), default=0)


def how_to_spend_less(spec: AnySpec) -> str:
    """Return which fields make an experiment cheaper, as a clause in the imperative; each kind has its own."""
    if isinstance(spec, SamplingSpec):
        return "lower shots or repetitions"
    if not isinstance(spec, LearningSpec):
        return "lower shots, repetitions or sweep.points"
    return cheaper_training(spec) if spec.trained_on_backend else "lower evaluation.shots or folds.repeats"
