"""What most families answer in the same way; a family inherits it and writes only what it does otherwise."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel

from qhybrid_pipelines.core.binary_models.bits import U8
from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.problems.family import BinaryParser, FamilyReduction, Parser, PenalisedModel
from qhybrid_pipelines.problems.instance import Instance
from qhybrid_pipelines.problems.proofs import ObjectiveRounding, rounding_of_sums

if TYPE_CHECKING:
    import networkx as nx

Generators = Mapping[str, tuple[type[BaseModel], Callable[[BaseModel], Instance]]]


class FamilyDefaults:
    """No files, no generators, no graphs, any number of ones, no reductions of its own."""

    name: str
    parsers: Mapping[str, Parser] = MappingProxyType({})
    binary_parsers: Mapping[str, BinaryParser] = MappingProxyType({})
    file_suffixes: Mapping[str, str] = MappingProxyType({})
    native_suffixes: frozenset[str] = frozenset()
    generators: Generators = MappingProxyType({})
    may_fix_ones: bool = False
    names_zeros: bool = True

    def from_graph(self, graph: nx.Graph[Any], name: str, options: BaseModel) -> Instance:  # noqa: ARG002 - refused
        """Refuse: a graph alone is not an instance of this family.

        Raises:
            InvalidInput: always; names the formats and generators that there are.
        """
        ways = [f"a file with format {' or '.join(self.parsers)}"] if self.parsers else []
        ways += [f"{{generator: {generator}, ...}}" for generator in self.generators]
        raise InvalidInput(
            f"family {self.name} has no instance on graph {name!r}",
            remedy=f"Give {', or '.join(ways)}.",
            field="problem.source",
        )

    def cardinality(self, instance: Instance) -> int | None:  # noqa: ARG002 - the port asks per instance
        """Return None: any number of variables may be 1."""
        return None

    if TYPE_CHECKING:  # every family has its own; one that has none is refused when families are loaded

        def penalised_model(self, instance: Instance) -> PenalisedModel:
            """Return the unconstrained form."""

    def objective_rounding(self, instance: Instance) -> ObjectiveRounding:
        """Return the rounding of sums over the coefficients of the unconstrained form, whatever they are.

        A family whose weights are decimals says more with ``rounding_of_sums(weights)``.
        """
        model = self.penalised_model(instance).model
        terms = np.concatenate([model.linear, model.couplings, model.products.weights, [model.offset]])
        return ObjectiveRounding(error=rounding_of_sums(terms).error)

    def reductions(self, instance: Instance, max_qubits: int) -> list[FamilyReduction]:  # noqa: ARG002 - there are none
        """Return nothing: what can be done without knowing more (roof duality, components) is done for every family."""
        return []

    def describe(self, instance: Instance, assignment: U8) -> str:  # noqa: ARG002 - nothing to add
        """Return the empty text: the variables say it all."""
        return ""

    def subproblem(
        self,
        instance: Instance,  # noqa: ARG002 - the port asks per instance
        incumbent: U8,  # noqa: ARG002 - as above
        size: int,  # noqa: ARG002 - as above
        rng: np.random.Generator,  # noqa: ARG002 - as above
    ) -> list[int] | None:
        """Return None: any variables may stay together."""
        return None


class UnconstrainedFamily(FamilyDefaults):
    """Every assignment is feasible, so that nothing can be violated or repaired."""

    def feasible(self, instance: Instance, assignments: U8) -> npt.NDArray[np.bool_]:  # noqa: ARG002 - all are
        """Return True for each row."""
        return np.ones(len(assignments), dtype=np.bool_)

    def violation(self, instance: Instance, assignment: U8) -> str:  # noqa: ARG002 - there is none
        """Return the empty text."""
        return ""

    def repair(self, instance: Instance, assignments: U8) -> U8:  # noqa: ARG002 - nothing is broken
        """Return the rows unchanged."""
        return assignments
