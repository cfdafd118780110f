"""QUBO: minimise a quadratic function of variables that are 0 or 1, as the user brings it, without constraints.

The objective is ``x'Qx`` (plus a constant) exactly as the file says. It is always minimised: what a file means as a maximum
is negated where the file or the option ``sense: max`` says so, and never in silence.

Source: G. Kochenberger et al., Journal of Combinatorial Optimization 28, 58 (2014).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import BaseModel, Field

from qhybrid_pipelines.classical.local_search import one_flip_descent
from qhybrid_pipelines.classical.reduction.roof_duality import persistent_values
from qhybrid_pipelines.classical.reduction.substitution import VariableMap
from qhybrid_pipelines.core.binary_models.bits import U8
from qhybrid_pipelines.core.binary_models.ising import F64, IsingModel
from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.core.names import PACKED, name_without_ending
from qhybrid_pipelines.core.seeds import generator
from qhybrid_pipelines.core.specifications.experiment_specification import StrictModel
from qhybrid_pipelines.problems.family import BinaryParser, Family, Parser, PenalisedModel, SolverResult
from qhybrid_pipelines.problems.family_defaults import UnconstrainedFamily
from qhybrid_pipelines.problems.formats import biqmac_sparse, csv_matrix, lp, qubo_files
from qhybrid_pipelines.problems.formats.pairs import Duplicates
from qhybrid_pipelines.problems.instance import Instance, Sense
from qhybrid_pipelines.problems.proofs import ObjectiveRounding, rounding_of_sums
from qhybrid_pipelines.problems.quadratic import QuadraticForm, make_quadratic_form, pair_sums
from qhybrid_pipelines.problems.solvers.ising import minimise_mapped
from qhybrid_pipelines.problems.solvers.row_blocks import weighted_sums
from qhybrid_pipelines.problems.solvers.spins import greedy_placement

if TYPE_CHECKING:
    import dimod
    import networkx as nx

#: Of the Biq Mac library, whose files are minima; MQLib's, which are maxima, are of the same form.
BIQMAC_ENDING = ".sparse"
#: Above this the maximum flow of roof duality takes longer than the search it would help.
_ROOF_DUALITY_PAIRS = 20_000


class Options(StrictModel):
    """What a specification may say about a QUBO."""

    best_known: float | None = Field(default=None, description="Best known energy, where a source states one.")
    offdiag_doubled: bool | None = Field(
        default=None,
        description="Whether an off-diagonal entry stands for both halves of a symmetric matrix and counts "
        "twice. Format biqmac_sparse: true unless stated; csv_matrix: must be stated.",
    )
    sense: Literal["min", "max"] | None = Field(
        default=None,
        description="min | max; max: the function is to be maximised, and `best_known` is a value of it. Energies are its negative. "
        "Format qbsolv must state it, because public files of it mean a maximum as often as a minimum; so must biqmac_sparse in a "
        "file whose ending is not .sparse, which may be one of MQLib's.",
    )
    duplicates: Duplicates = Field(
        default="refuse", description="An entry that a file holds twice: refuse | once (if equal) | sum."
    )


class RandomMatrix(StrictModel):
    """Parameters of `random`: a matrix with integer entries from -100 to 100, as Beasley's instances."""

    variables: int = Field(ge=1, le=2_000, description="Number of variables.")
    density: float = Field(gt=0, le=1, description="Probability that an off-diagonal entry is there.")
    seed: int = Field(default=7, ge=0, description="Seed of the random choices.")


def make_instance(form: QuadraticForm, *, name: str, source: str, best_known: float | None) -> Instance:
    """Return the instance of a quadratic form.

    Raises:
        InvalidInput: all coefficients are 0, or so large that their sum is not finite.
    """
    if not (np.any(form.linear) or len(form.pairs)):
        raise InvalidInput(
            "all coefficients are 0", remedy="Every assignment would be optimal; give a matrix.", field="problem.source"
        )
    with np.errstate(over="ignore"):
        total = np.abs(form.linear).sum() + np.abs(form.quadratic).sum() + abs(form.offset)
    if not np.isfinite(total):
        raise InvalidInput("the sum of the coefficients overflows", remedy="Scale them.", field="problem.source")
    return Instance(
        name=name,
        family="qubo",
        variables=form.names,
        payload={
            "linear": (form.linear + 0.0).tolist(),  # -0.0 becomes 0.0: one value, one hash
            "pairs": form.pairs.tolist(),
            "quadratic": form.quadratic.tolist(),
            "offset": form.offset + 0.0,
            **({"negated": True} if form.negated else {}),
        },
        best_known=best_known,
        source=source,
    )


def _biqmac_sparse(text: str, options: Options, file: str) -> QuadraticForm:
    if options.sense is None and not file.lower().removesuffix(PACKED).endswith(BIQMAC_ENDING):
        raise InvalidInput(
            "files of this form mean a minimum in the Biq Mac library and a maximum in MQLib, and this one has the name of neither",
            remedy=f"Declare options.sense: min or max; only {BIQMAC_ENDING} is a minimum unless stated.",
            file=file,
            field="problem.options.sense",
        )
    doubled = options.offdiag_doubled is not False
    return biqmac_sparse.read(text, file=file, offdiag_doubled=doubled, duplicates=options.duplicates)


def _csv_matrix(text: str, options: Options, file: str) -> QuadraticForm:
    if options.offdiag_doubled is None:
        raise InvalidInput(
            "a list of entries does not say whether those off the diagonal count once or twice",
            remedy="Declare options.offdiag_doubled: true for one triangle of a symmetric matrix, otherwise false.",
            file=file,
            field="problem.options.offdiag_doubled",
        )
    return csv_matrix.read(text, file=file, offdiag_doubled=options.offdiag_doubled, duplicates=options.duplicates)


def _qbsolv(text: str, options: Options, file: str) -> QuadraticForm:
    if options.sense is None:
        raise InvalidInput(
            "a qbsolv file does not say whether its function is to be minimised or maximised",
            remedy="Declare options.sense: min or max.",
            file=file,
            field="problem.options.sense",
        )
    return qubo_files.read_qbsolv(text, file=file, duplicates=options.duplicates)


_BINARY_READERS: Mapping[str, Callable[[bytes, str], QuadraticForm]] = MappingProxyType(
    {
        "npy": lambda content, file: qubo_files.read_npy(content, file=file),
        "npz": lambda content, file: qubo_files.read_npz(content, file=file),
    }
)


def _lp(text: str, options: Options, file: str) -> QuadraticForm:
    form = lp.read(text, file=file)
    if options.sense not in (None, "max" if form.negated else "min"):
        raise InvalidInput(
            f"the file says {'Maximize' if form.negated else 'Minimize'}, and options.sense says {options.sense}",
            remedy="Remove options.sense: an LP file says itself what is meant.",
            file=file,
            field="problem.options.sense",
        )
    return form


#: Reads text to a form; these say themselves how often a product counts, but for the first two.
_READERS: Mapping[str, Callable[[str, Options, str], QuadraticForm]] = MappingProxyType(
    {
        "biqmac_sparse": _biqmac_sparse,
        "csv_matrix": _csv_matrix,
        "lp": _lp,
        "qbsolv": _qbsolv,
        "dimod_json": lambda text, _, file: qubo_files.read_dimod_json(text, file=file),
        "dimod_coo": lambda text, _, file: qubo_files.read_dimod_coo(text, file=file),
        "ising_json": lambda text, _, file: qubo_files.read_ising_json(text, file=file),
        "matrix_csv": lambda text, _, file: qubo_files.read_matrix_csv(text, file=file),
        "matrix_market": lambda text, _, file: qubo_files.read_matrix_market_form(text, file=file),
    }
)


def _parser(name: str) -> Parser:
    def parse(text: str, options: BaseModel, file: str) -> Instance:
        declared = _declared(options)
        if name not in ("biqmac_sparse", "csv_matrix"):
            _refuse_doubling(declared, name)
        return _from_form(_READERS[name](text, declared, file), declared, file)

    return parse


def _binary_parser(name: str) -> BinaryParser:
    def parse(content: bytes, options: BaseModel, file: str) -> Instance:
        declared = _declared(options)
        _refuse_doubling(declared, name)
        return _from_form(_BINARY_READERS[name](content, file), declared, file)

    return parse


def _refuse_doubling(options: Options, name: str) -> None:
    if options.offdiag_doubled is not None:
        raise InvalidInput(
            f"a file of format {name} says itself how often a product counts",
            remedy="Remove the option.",
            field="problem.options.offdiag_doubled",
        )


def _from_form(form: QuadraticForm, options: Options, file: str) -> Instance:
    best_known = options.best_known
    if options.sense == "max":
        form = form if form.negated else form.negative()
        best_known = None if best_known is None else -best_known
    return make_instance(form, name=name_without_ending(file), source=f"file:{file}", best_known=best_known)


def _random(parameters: BaseModel) -> Instance:
    assert isinstance(parameters, RandomMatrix)
    size = parameters.variables
    random = generator(parameters.seed, "qubo", "random")
    i, j = np.triu_indices(size)
    there = (random.random(len(i)) < parameters.density) | (i == j)
    # Without 0, so that the density is the one asked for.
    values = random.integers(1, 101, size=len(i)) * random.choice([-1, 1], size=len(i))
    entries = zip(i[there].tolist(), j[there].tolist(), values[there].astype(np.float64).tolist(), strict=True)
    form = make_quadratic_form(map(str, range(size)), entries, offdiagonal_factor=2.0)
    name = f"random-n{size}-p{parameters.density:g}-s{parameters.seed}"
    return make_instance(form, name=name, source="generator:random", best_known=None)


def _declared(options: BaseModel) -> Options:
    assert isinstance(options, Options)
    return options


def _quadratic_form(instance: Instance) -> QuadraticForm:
    return QuadraticForm(
        names=instance.variables,
        linear=np.array(instance.payload["linear"], dtype=np.float64),
        pairs=np.array(instance.payload["pairs"], dtype=np.int32).reshape(-1, 2),
        quadratic=np.array(instance.payload["quadratic"], dtype=np.float64),
        offset=float(instance.payload["offset"]),
    )


class Qubo(UnconstrainedFamily):
    """The family; see the module."""

    name = "qubo"
    title = "Quadratic unconstrained binary optimisation"
    sense: Sense = "min"
    unit = "energy"
    answer_words = ("{name} = 0", "{name} = 1")
    options: type[BaseModel] = Options
    parsers: Mapping[str, Parser] = MappingProxyType({name: _parser(name) for name in _READERS})
    binary_parsers: Mapping[str, BinaryParser] = MappingProxyType(
        {name: _binary_parser(name) for name in _BINARY_READERS}
    )
    file_suffixes: Mapping[str, str] = MappingProxyType(
        {
            BIQMAC_ENDING: "biqmac_sparse",
            ".qubo": "qbsolv",
            ".coo": "dimod_coo",
            ".lp": "lp",
            ".mtx": "matrix_market",
            ".npy": "npy",
            ".npz": "npz",
        }
    )
    native_suffixes: frozenset[str] = frozenset({".sparse", ".npy", ".npz", ".coo"})
    generators: Mapping[str, tuple[type[BaseModel], Callable[[BaseModel], Instance]]] = MappingProxyType(
        {"random": (RandomMatrix, _random)}
    )
    solver_name = "semidefinite+tabu+cp_sat"

    def from_graph(self, graph: nx.Graph[Any], name: str, options: BaseModel) -> Instance:  # noqa: ARG002 - refused
        """Refuse: a graph alone is not an objective, but other families make one of it."""
        raise InvalidInput(
            f"the graph {name!r} is not a QUBO",
            remedy="Use family maxcut or independent_set for graphs, or give a matrix as a file.",
            field="problem.source",
        )

    def model(self, instance: Instance) -> dimod.ConstrainedQuadraticModel:
        """Return: minimise the form, without constraints."""
        import dimod

        form = _quadratic_form(instance)
        vectors = (form.pairs[:, 0], form.pairs[:, 1], form.quadratic)
        objective = dimod.BinaryQuadraticModel.from_numpy_vectors(
            form.linear, vectors, form.offset, dimod.BINARY, variable_order=form.names
        )
        model = dimod.ConstrainedQuadraticModel()  # type: ignore[no-untyped-call]
        model.set_objective(objective)
        return model

    def penalised_model(self, instance: Instance) -> PenalisedModel:
        """Return the form itself: there is nothing to penalise."""
        form = _quadratic_form(instance)
        model = IsingModel.from_qubo(form.linear, form.pairs, form.quadratic, form.offset)
        return PenalisedModel(model=model, penalty_weight=0.0, sign=1)

    def objective(self, instance: Instance, assignments: U8) -> F64:
        """Return the form's value for each row."""
        form = _quadratic_form(instance)
        products = pair_sums(assignments, form.pairs, form.quadratic)
        return form.offset + weighted_sums(form.linear, assignments) + products

    def objective_rounding(self, instance: Instance) -> ObjectiveRounding:
        """Return the rounding of sums of coefficients."""
        form = _quadratic_form(instance)
        return rounding_of_sums(np.concatenate([form.linear, form.quadratic, [form.offset]]))

    def greedy(self, instance: Instance, seed: int) -> U8:
        """Return the assignment of setting variable after variable where it matters most, then flipping single ones."""
        model = self.penalised_model(instance).model
        placed: U8 = one_flip_descent(model, greedy_placement(model, seed)[None])[0]
        return placed

    def solve(self, instance: Instance, seed: int) -> SolverResult:
        """Fix what roof duality proves, then enumerate, or relax, search and prove."""
        model = self.penalised_model(instance).model
        fixed = persistent_values(model) if len(model.pairs) <= _ROOF_DUALITY_PAIRS else {}
        found = minimise_mapped(model, VariableMap.from_constants(model.size, fixed), seed)
        return SolverResult(
            assignment=found.assignment,
            optimal=found.optimal,
            bound=found.lower_bound,
            evaluations=found.evaluations,
        )

    def features(self, instance: Instance) -> dict[str, float]:
        """Return sizes, degrees and the spread of the coefficients."""
        form = _quadratic_form(instance)
        size, m = instance.size, len(form.pairs)
        degrees = np.bincount(form.pairs.ravel(), minlength=size)
        coefficients = np.concatenate([form.linear[form.linear != 0], form.quadratic])
        sizes = np.abs(coefficients)
        return {
            "variables": float(size),
            "products": float(m),
            "density": 2 * m / (size * (size - 1)) if size > 1 else 0.0,
            "degree_mean": float(degrees.mean()),
            "degree_min": float(degrees.min()),
            "degree_max": float(degrees.max()),
            "linear_rms": float(np.sqrt((form.linear**2).mean())),
            "quadratic_rms": float(np.sqrt((form.quadratic**2).mean())) if m else 0.0,
            "weight_range": float(sizes.max() / sizes.min()),
            "negative_share": float((coefficients < 0).mean()),
        }


FAMILY: Family = Qubo()
