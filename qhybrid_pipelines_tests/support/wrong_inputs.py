"""Wrong submissions, one table for every door: the files, which of them is submitted, and what must be said about it.

Each case names what the message has to hold: the file, the line or the field, and words of problem and remedy.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from qhybrid_pipelines.problems.registry import all_families

KARATE = "problem: {family: maxcut, source: 'networkx:karate_club'}\n"
MEGABYTE = 1_000_000
TOUR = "TYPE : TSP\nDIMENSION : 3\nEDGE_WEIGHT_TYPE : EUC_2D\nNODE_COORD_SECTION\n1 0 0\n2 3 0\n3 0 4\nEOF\n"


@dataclass(frozen=True)
class WrongInput:
    """A submission that must be refused.

    Attributes:
        name: what is wrong.
        files: name -> content; the first is the one that is submitted.
        says: fragments of the message.
        line: 1-based line that the error names, or None.
        field: dotted field that the error names, or None.
        about: name of the file that the error names; the submitted one when omitted.
    """

    name: str
    files: dict[str, str | bytes]
    says: tuple[str, ...]
    line: int | None = None
    field: str | None = None
    about: str | None = None

    @property
    def submitted(self) -> str:
        return next(iter(self.files))

    def drop(self, folder: Path) -> Path:
        """Write the files and return the path of the submitted one."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in self.files.items():
            (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        return folder / self.submitted


def specification(
    case: str, text: str | bytes, *says: str, line: int | None = None, field: str | None = None
) -> WrongInput:
    return WrongInput(case, {"wrong.yaml": text}, says, line=line, field=field)


def named(text: str) -> str:
    return f"name: wrong\n{text}"


def problem_file(
    case: str,
    file: str,
    content: str | bytes,
    *says: str,
    problem: str = "",
    options: str = "",
    line: int | None = None,
    field: str | None = None,
    about: str | None = None,
) -> WrongInput:
    """A problem file, with a sidecar where family, format or options have to be declared."""
    files: dict[str, str | bytes] = {file: content}
    if problem or options:
        declared = ", ".join(part for part in (problem, f"options: {{{options}}}" if options else "") if part)
        files[f"{file}.yaml"] = f"problem: {{{declared}}}\n"
    return WrongInput(case, files, says, line=line, field=field, about=about)


SPECIFICATIONS = (
    specification(
        "unknown field", named(KARATE + "shotz: 100\n"), "unknown field", "Did you mean shots?", line=3, field="shotz"
    ),
    specification(
        "unknown inner field",
        named(KARATE + "sweep:\n  strategy: ramp\n  pionts: 4\n"),
        "unknown field",
        "Known here: strategy, file, points, objective, alpha, center, spread",
        line=5,
        field="sweep.pionts",
    ),
    specification("no problem", "name: wrong\n", "this field is missing", "Add it", field="problem"),
    specification("misspelt capital", named(KARATE + "Shots: 1\n"), "mean shots?", line=3, field="Shots"),
    specification("field that is not a text", named(KARATE + "1: 2\n"), "must be text", line=3, field="1"),
    specification(
        "angle that is a list",
        named(KARATE + "sweep: {strategy: refine, center: [[1]]}\n"),
        "number",
        line=3,
        field="sweep.center.0",
    ),
    specification("nested too deeply", "name: " + "[" * 100_000, "nested too deeply", line=1),
    specification("number of many digits", "seed: " + "9" * 9000, "thousands of digits"),
    specification("date as a name", "name: 2024-01-01\n" + KARATE, "text", "quotes", line=1, field="name"),
    specification("no name", KARATE, "this field is missing", field="name"),
    specification(
        "no family",
        named("problem:\n  source: x.mc\n"),
        "this field is missing",
        line=2,
        field="problem.family",
    ),
    specification(
        "text for a number", named(KARATE + "shots: many\n"), "whole number", "'many'", line=3, field="shots"
    ),
    specification("number as text", named(KARATE + "shots: '100'\n"), "whole number", "'100'", line=3, field="shots"),
    specification("decimal shots", named(KARATE + "shots: 10.5\n"), "whole number", "10.5", line=3, field="shots"),
    specification("no shots", named(KARATE + "shots: 0\n"), "at least 1", "(given: 0)", line=3, field="shots"),
    specification(
        "too many qubits",
        named(KARATE + "reduce: {max_qubits: 30}\n"),
        "at most 20",
        "(given: 30)",
        line=3,
        field="reduce.max_qubits",
    ),
    specification(
        "variables kept without a recursion",
        named(KARATE + "ansatz: {keep: 4}\n"),
        "keep is only used by kind 'recursive_qaoa'",
        line=3,
        field="ansatz",
    ),
    specification(
        "a recursion whose depth is to be chosen",
        named(KARATE + "ansatz: {kind: recursive_qaoa, layers: auto}\n"),
        "takes a number of layers",
        line=3,
        field="ansatz",
    ),
    specification(
        "an objective without a search",
        named(KARATE + "sweep: {strategy: ramp, objective: cvar}\n"),
        "objective and alpha are only used by strategy 'auto'",
        line=3,
        field="sweep",
    ),
    specification(
        "an alpha of another objective",
        named(KARATE + "sweep: {alpha: 0.2}\n"),
        "alpha is only used by objective 'cvar'",
        line=3,
        field="sweep",
    ),
    specification(
        "no windows at all",
        named(KARATE + "reduce: {windows: 0}\n"),
        "at least 1",
        "(given: 0)",
        line=3,
        field="reduce.windows",
    ),
    specification(
        "rules that are not a choice",
        named(KARATE + "reduce: {rules: some}\n"),
        "must be one of: all, none",
        line=3,
        field="reduce.rules",
    ),
    specification(
        "names of qubits without a circuit",
        named(KARATE.rstrip().rstrip("}") + ", circuit_variables: [a]}\n"),
        "there is no circuit",
        line=2,
        field="problem",
    ),
    specification("list for a number", named(KARATE + "shots: [1, 2]\n"), "whole number", line=3, field="shots"),
    specification("text for fields", named(KARATE + "sweep: ramp\n"), "fields", "indent", line=3, field="sweep"),
    specification("problem is text", named("problem: karate\n"), "fields", "indent", line=2, field="problem"),
    specification(
        "unknown strategy",
        named(KARATE + "sweep: {strategy: best}\n"),
        "must be one of: auto, given, fixed_angles, ramp, grid, random, refine",
        "'best'",
        line=3,
        field="sweep.strategy",
    ),
    specification("unknown tier", named(KARATE + "tier: fast\n"), "one of: interactive, batch", line=3, field="tier"),
    specification("NaN", named(KARATE + "budget: {usd: .nan}\n"), "finite", line=3, field="budget.usd"),
    specification(
        "negative budget", named(KARATE + "budget: {usd: -1}\n"), "at least 0 (given: -1)", line=3, field="budget.usd"
    ),
    specification(
        "source is a number",
        named("problem: {family: maxcut, source: 7}\n"),
        "networkx:NAME, a path, or {generator: NAME, ...}",
        line=2,
        field="problem.source",
    ),
    specification(
        "source without generator",
        named("problem:\n  family: maxcut\n  source: {nodes: 10}\n"),
        "networkx:NAME, a path, or {generator: NAME, ...}",
        line=4,
        field="problem.source",
    ),
    specification(
        "generator parameter that is a list",
        named("problem:\n  family: maxcut\n  source: {generator: random_regular, nodes: [1]}\n"),
        "plain value",
        line=4,
        field="problem.source.nodes",
    ),
    specification(
        "unknown option",
        named("problem: {family: maxcut, source: 'networkx:petersen', options: {cardinality: 3}}\n"),
        "unknown field",
        "best_known",
        line=2,
        field="problem.options.cardinality",
    ),
    specification(
        "unknown generator parameter",
        named("problem:\n  family: maxcut\n  source:\n    generator: random_regular\n    knots: 10\n    degree: 3\n"),
        "unknown field",
        "Known here: nodes, degree, seed",
        line=6,
        field="problem.source.knots",
    ),
    specification(
        "missing generator parameter",
        named("problem: {family: maxcut, source: {generator: random_regular, nodes: 10}}\n"),
        "this field is missing",
        line=2,
        field="problem.source.degree",
    ),
    specification(
        "impossible generator parameters",
        named("problem: {family: maxcut, source: {generator: random_regular, nodes: 5, degree: 3}}\n"),
        "nodes * degree even",
        line=2,
        field="problem.source",
    ),
    specification(
        "too few nodes",
        named("problem: {family: maxcut, source: {generator: random_regular, nodes: 1, degree: 1}}\n"),
        "at least 2",
        line=2,
        field="problem.source.nodes",
    ),
    specification(
        "unknown generator",
        named("problem: {family: maxcut, source: {generator: smallworld}}\n"),
        "no generator 'smallworld'",
        "random_regular",
        line=2,
        field="problem.source.generator",
    ),
    specification(
        "unknown family",
        named("problem: {family: knapsack, source: 'networkx:petersen'}\n"),
        "no problem family 'knapsack'",
        ", ".join(all_families()),
        line=2,
        field="problem.family",
    ),
    specification(
        "unknown graph",
        named("problem: {family: maxcut, source: 'networkx:karate'}\n"),
        "no bundled graph 'karate'",
        "Did you mean karate_club?",
        line=2,
        field="problem.source",
    ),
    specification(
        "function of networkx that is not a graph",
        named("problem: {family: maxcut, source: 'networkx:read_gpickle'}\n"),
        "no bundled graph",
        line=2,
        field="problem.source",
    ),
    specification(
        "unknown backend",
        named(KARATE + "backends: ['ibm:torino']\n"),
        "no backend 'ibm:torino'",
        "local:auto",
        line=3,
        field="backends",
    ),
    specification(
        "backend without provider",
        named(KARATE + "backends: [auto]\n"),
        "the wrong form (given: 'auto'). Write provider:backend",
        line=3,
        field="backends.0",
    ),
    specification(
        "backend twice", named(KARATE + "backends: ['local:auto', 'local:auto']\n"), "once", line=3, field="backends"
    ),
    specification("no backend", named(KARATE + "backends: []\n"), "at least 1", line=3, field="backends"),
    specification(
        "backends as text", named(KARATE + "backends: local:auto\n"), "list", "['local:auto']", line=3, field="backends"
    ),
    specification(
        "unknown baseline",
        named(KARATE + "baselines: [gurobi]\n"),
        "no baseline 'gurobi'",
        "simulated_annealing",
        line=3,
        field="baselines",
    ),
    specification("baselines as text", named(KARATE + "baselines: tabu\n"), "list", line=3, field="baselines"),
    specification(
        "xy mixer without cardinality",
        named(KARATE + "ansatz: {mixer: xy}\n"),
        "no cardinality",
        "auto",
        line=3,
        field="ansatz.mixer",
    ),
    specification(
        "center of wrong length",
        named(KARATE + "sweep: {strategy: refine, center: [0.1]}\n"),
        "needs 4 angles",
        line=3,
        field="sweep.center",
    ),
    specification(
        "center of text",
        named(KARATE + "sweep: {strategy: refine, center: [a, b, c, d]}\n"),
        "number",
        "'a'",
        line=3,
        field="sweep.center.0",
    ),
    specification(
        "given without a file",
        named(KARATE + "sweep: {strategy: given}\n"),
        "no file is named",
        line=3,
        field="sweep",
    ),
    specification(
        "file without given",
        named(KARATE + "sweep: {strategy: ramp, file: angles.csv}\n"),
        "only used by strategy 'given'",
        line=3,
        field="sweep",
    ),
    specification(
        "angles that are not there",
        named(KARATE + "sweep: {strategy: given, file: angles.csv}\n"),
        "no file 'angles.csv'",
        "relative to the specification",
        line=3,
        field="sweep.file",
    ),
    WrongInput(
        "angles of another depth",
        {
            "wrong.yaml": named(KARATE + "sweep: {strategy: given, file: angles.csv}\n"),
            "angles.csv": "# one layer\ngamma_1,beta_1\n0.1,0.2\n",
        },
        ("'gamma_2' is missing", "gamma_1, gamma_2, beta_1, beta_2"),
        line=2,
        field="gamma_2",
        about="angles.csv",
    ),
    specification(
        "center without refine",
        named(KARATE + "sweep: {strategy: ramp, center: [0.1, 0.2, 0.3, 0.4]}\n"),
        "only used by strategy 'refine'",
        line=3,
        field="sweep",
    ),
    specification("name with a path", "name: ../../x\n" + KARATE, "'../../x'", "letters, digits", line=1, field="name"),
    specification("name is a number", "name: 7\n" + KARATE, "text", "(given: 7)", line=1, field="name"),
    specification("not YAML", "name: wrong\nproblem: {family: [maxcut\n", "not YAML", line=3),
    specification("tabs", "name: wrong\nproblem:\n\tfamily: maxcut\n", "not YAML", line=3),
    specification(
        "alias", "name: &n wrong\nproblem: {family: *n, source: x}\n", "aliases", "Write the value out", line=2
    ),
    specification("field twice", named(KARATE + "shots: 1\nshots: 2\n"), "twice", "line 3", line=4, field="shots"),
    specification("a tag", "name: !!python/object/apply:os.system ['true']\n" + KARATE, "not YAML", line=1),
    specification("two documents", named(KARATE + "---\nname: second\n"), "not YAML", "one experiment", line=3),
    specification("a list", "- one\n- two\n", "no fields", "name:"),
    specification("empty", "", "no fields", "name:"),
    specification("only comments", "# later\n", "no fields", "name:"),
    specification("key that is a list", "? [a, b]\n: 1\n" + KARATE, "not YAML", line=1),
    specification("not UTF-8", named(KARATE).encode() + b"# caf\xe9\n", "UTF-8", line=3),
    specification("control character", b"name: wr\x07ong\n" + KARATE.encode(), "code 7", "UTF-8", line=1),
    specification("too large", "#" * (300 * 1024), "256 kB"),
    specification("impossible date", "name: wrong\nseed: 2024-13-45\n", "not YAML"),
    WrongInput("JSON cut off", {"wrong.json": '{"name": "wrong", "problem": {'}, ("not JSON",), line=1),
    specification(
        "no such problem file",
        named("problem: {family: maxcut, source: gone.mc}\n"),
        "no file 'gone.mc'",
        "relative",
        line=2,
        field="problem.source",
    ),
    specification(
        "problem file is a folder",
        named("problem: {family: maxcut, source: .}\n"),
        "'.'",
        field="problem.source",
        line=2,
    ),
    specification(
        "made-up hash",
        named(f"problem: {{family: maxcut, source: {{file: a.mc, sha256: '{'0' * 64}'}}}}\n"),
        "never registered",
        "path of the file",
        line=2,
        field="problem.source",
    ),
    specification(
        "hash of wrong form",
        named("problem: {family: maxcut, source: {file: a.mc, sha256: abc}}\n"),
        "64 hexadecimal digits",
        line=2,
        field="problem.source.sha256",
    ),
    specification(
        "format of a graph",
        named("problem: {family: maxcut, format: rudy, source: 'networkx:petersen'}\n"),
        "belongs to a file",
        line=2,
        field="problem.format",
    ),
)

RUDY = "4 3\n1 2 1\n2 3 1\n3 4 1\n"
LP = "Minimize\n obj: x + y - 3 z\nBinary\n x y z\nEnd\n"
PORT = "2\n0.01 0.04\n0.02 0.05\n1 1 1.0\n1 2 0.3\n2 2 1.0\n"
DECLARED_PORT = "family: portfolio, format: orlib_port"
DECLARED_LP = "family: qubo, format: lp"
DECLARED_PROGRAM = "family: binary_program, format: lp"
MPS = """NAME t
ROWS
 N cost
 L c
COLUMNS
 M 'MARKER' 'INTORG'
 x cost -1 c 1
 y cost -2 c 1
 M 'MARKER' 'INTEND'
RHS
 r c 1
BOUNDS
 BV bnd x
 BV bnd y
ENDATA
"""
DECLARED_CSV = "family: maxcut, format: csv_edges"
DECLARED_LIST = "family: maxcut, format: edge_list"

PROBLEM_FILES = (
    problem_file("half-written rudy", "a.mc", "4 3\n1 2 1\n2 3 1\n", "ends after 2 of 3 edges", "half-written", line=3),
    problem_file("line cut off", "a.mc", "4 3\n1 2 1\n2 3 1\n3 4\n", "half-written", line=4),
    problem_file("more edges than announced", "a.mc", RUDY + "1 4 1\n", "announces 3", "header", line=5),
    problem_file("index 0", "a.mc", "4 3\n0 1 1\n1 2 1\n2 3 1\n", "index 0", "index_base: 0", line=2),
    problem_file("index above n", "a.mc", "4 3\n1 2 1\n2 3 1\n3 9 1\n", "index 9", "1 to 4", line=4),
    problem_file("edge twice", "a.mc", "4 3\n1 2 1\n2 3 1\n1 2 1\n", "line 2 already", "duplicates", line=4),
    problem_file("reversed edge", "a.mc", "4 3\n1 2 1\n2 3 1\n2 1 5\n", "another weight", "sum", line=4),
    problem_file("self-loop", "a.mc", "4 3\n1 2 1\n3 3 1\n3 4 1\n", "itself", "Remove", line=3),
    problem_file("NaN", "a.mc", "4 3\n1 2 nan\n2 3 1\n3 4 1\n", "'nan'", "plain number", line=2),
    problem_file("infinity", "a.mc", "4 3\n1 2 1e999\n2 3 1\n3 4 1\n", "'1e999'", "finite", line=2),
    problem_file("decimal comma", "a.mc", "4 3\n1 2 0,5\n2 3 1\n3 4 1\n", "decimal comma", "decimal point", line=2),
    problem_file("no edges", "a.mc", "4 0\n", "no edges", "edges", field="problem.source"),
    problem_file("weights all 0", "a.mc", "2 1\n1 2 0\n", "weight 0", field="problem.source"),
    problem_file("no nodes", "a.mc", "0 0\n", "number of nodes is 0", line=1),
    problem_file("huge header", "a.mc", "999999999 1\n1 2 1\n", "100000", line=1),
    problem_file("empty file", "a.mc", "", "empty"),
    problem_file("only comments", "a.mc", "# licence\n", "only comments"),
    problem_file("binary", "a.mc", b"4 3\n\x00\x01", "binary", line=2),
    problem_file("zip archive", "a.mc", b"PK\x03\x04rest", "zip archive", "Unpack"),
    problem_file("not UTF-8", "a.mc", b"4 3\n1 2 1\n# caf\xe9\n", "UTF-8", line=3),
    problem_file("too large", "a.mc", b"# " + b"x" * (50 * MEGABYTE), "50 MB", field="problem.source"),
    problem_file("DIMACS without header", "a.gph", "e 1 2\n", "p edge nodes edges", line=1),
    problem_file("DIMACS weighted edge", "a.gph", "p edge 2 1\ne 1 2 7\n", "e i j", line=2),
    problem_file("DIMACS index 0", "a.col", "p edge 2 1\ne 0 1\n", "index 0", line=2),
    problem_file("DIMACS half-written", "a.gph", "p edge 3 2\ne 1 2\n", "ends after 1 of 2", line=2),
    problem_file("sparse header", "a.sparse", "3\n1 1 2\n", "variables entries", line=1),
    problem_file("sparse entry twice", "a.sparse", "3 2\n1 2 2\n2 1 2\n", "line 2 already", line=3),
    problem_file("sparse all 0", "a.sparse", "3 1\n1 2 0\n", "coefficients are 0", field="problem.source"),
    problem_file("market split row", "a.dat", "2 3\n1 2 3 4\n1 2 3\n", "3 numbers instead of 4", line=3),
    problem_file("market split rows", "a.dat", "2 3\n1 2 3 4\n", "ends after 1 of 2 rows", line=2),
    problem_file("market split below 0", "a.dat", "1 2\n1 -2 3\n", "not negative", line=2),
    problem_file("tour without a node", "a.tsp", TOUR.replace("3 0 4\n", ""), "coordinates of 2 nodes", line=6),
    problem_file("tour of unknown distances", "a.tsp", TOUR.replace("EUC_2D", "XRAY1"), "XRAY1", "EUC_2D", line=3),
    problem_file(
        "routes without vehicles",
        "a.vrp",
        TOUR.replace("TYPE : TSP", "TYPE : CVRP\nCAPACITY : 2").replace(
            "EOF", "DEMAND_SECTION\n1 0\n2 2\n3 2\nDEPOT_SECTION\n1\n-1\nEOF"
        ),
        "number of vehicles is missing",
        "options.vehicles",
        field="problem.options.vehicles",
    ),
    problem_file("job without a duration", "a.jsp", "1 2\n0 3 1\n", "3 numbers instead of 4", "half-written", line=2),
    problem_file("job on a machine twice", "a.jsp", "1 2\n0 3 0 2\n", "a machine twice", line=2),
    problem_file("clause without end", "a.cnf", "p cnf 2 1\n1 -2\n", "not ended by 0", "half-written", line=2),
    problem_file("literal too large", "a.cnf", "p cnf 2 1\n1 -3 0\n", "variable 3 of 2", line=2),
    problem_file("clause of no weight", "a.wcnf", "h 1 0\n0 1 2 0\n", "weighs 0", line=2),
    problem_file(
        "hard clauses that contradict each other",
        "a.wcnf",
        "h 1 0\nh -1 0\n2 2 0\n",
        "satisfies all hard clauses",
        "weight",
        field="problem.source",
    ),
    problem_file("CSV header", "a.csv", "from;to;w\n1;2;3\n", "semicolons", problem=DECLARED_CSV, line=1),
    problem_file("CSV decimal comma", "a.csv", "i,j,weight\na,b,0,5\n", "point", problem=DECLARED_CSV, line=2),
    problem_file("CSV quote", "a.csv", 'i,j\n"a,b\n', "CSV", "quotes", problem=DECLARED_CSV, line=3),
    problem_file(
        "edge list without base",
        "a.txt",
        "3\n0 1\n",
        "0 or from 1",
        "options.index_base",
        problem=DECLARED_LIST,
        field="problem.options.index_base",
    ),
    problem_file(
        "edge list from 0 declared from 1",
        "a.txt",
        "3\n0 1\n1 2\n",
        "index 0",
        problem=DECLARED_LIST,
        options="index_base: 1",
        line=2,
    ),
    problem_file(
        "matrix undeclared",
        "q.csv",
        "i,j,value\na,b,2\n",
        "offdiag_doubled",
        problem="family: qubo, format: csv_matrix",
        field="problem.options.offdiag_doubled",
    ),
    problem_file(
        "LP continuous",
        "a.lp",
        LP.replace(" y z\nEnd", " y\nEnd"),
        "'z' is continuous",
        "Binary",
        problem=DECLARED_LP,
        line=2,
    ),
    problem_file("LP section", "a.lp", LP.replace("End", "SOS\nEnd"), "'SOS'", problem=DECLARED_LP, line=5),
    problem_file(
        "LP constraint",
        "a.lp",
        LP.replace("Binary", "Subject To\n c: x + y <= 1\nBinary"),
        "constraints",
        "binary_program",
        problem=DECLARED_LP,
        line=4,
    ),
    problem_file(
        "LP constraint with variables on both sides",
        "a.lp",
        LP.replace("Binary", "Subject To\n c: x <= y\nBinary"),
        "right side of a constraint is not a number",
        "one number on the right",
        problem=DECLARED_PROGRAM,
        line=4,
    ),
    problem_file(
        "constraint that nothing keeps",
        "a.lp",
        LP.replace("Binary", "Subject To\n few: x + y + z >= 4\nBinary"),
        "no assignment satisfies the constraint 'few'",
        "right-hand side",
        problem=DECLARED_PROGRAM,
        field="problem.source",
    ),
    problem_file(
        "MPS with an integer variable",
        "a.mps",
        MPS.replace(" BV bnd y", " UP bnd y 3"),
        "'y' is integer, from 0 to 3",
        "sums of binary variables",
    ),
    problem_file(
        "MPS with a quadratic section", "a.mps", MPS.replace("ENDATA", "QUADOBJ\nENDATA"), "'QUADOBJ'", line=15
    ),
    problem_file(
        "LP with a fixed variable",
        "a.lp",
        LP.replace("Binary", "Bounds\n x = 1\nBinary"),
        "bounds that say more",
        "objective",
        problem=DECLARED_LP,
        line=4,
    ),
    problem_file("LP without end", "a.lp", LP.replace("End\n", ""), "End", "half-written", problem=DECLARED_LP, line=5),
    problem_file(
        "portfolio without K",
        "port.txt",
        PORT,
        "assets to hold is missing",
        problem=DECLARED_PORT,
        field="problem.options.cardinality",
    ),
    problem_file(
        "K above n",
        "port.txt",
        PORT,
        "3 assets are to be held, there are 2",
        "1 to 2",
        problem=DECLARED_PORT,
        options="cardinality: 3",
        field="problem.options.cardinality",
    ),
    problem_file(
        "K of 0",
        "port.txt",
        PORT,
        "at least 1",
        problem=DECLARED_PORT,
        options="cardinality: 0",
        field="problem.options.cardinality",
        about="port.txt.yaml",
        line=1,
    ),
    problem_file(
        "correlation above 1",
        "port.txt",
        PORT.replace("0.3", "1.3"),
        "-1 to 1",
        problem=DECLARED_PORT,
        options="cardinality: 1",
        line=5,
    ),
    problem_file(
        "missing pair",
        "port.txt",
        PORT.replace("1 2 0.3\n", ""),
        "1 and 2 is missing",
        "half-written",
        problem=DECLARED_PORT,
        options="cardinality: 1",
        line=5,
    ),
    problem_file(
        "correlations of no returns",
        "port.txt",
        "3\n0.01 0.04\n0.02 0.05\n0.01 0.05\n1 1 1\n1 2 0.9\n1 3 0.9\n2 2 1\n2 3 -0.9\n3 3 1\n",
        "positive semidefinite",
        problem=DECLARED_PORT,
        options="cardinality: 1",
    ),
    problem_file("ambiguous .txt", "a.txt", RUDY, "'.txt'", "a.txt.yaml", "family"),
    problem_file("unknown ending", "a.xlsx", "x", "'.xlsx'", "a.xlsx.yaml"),
    problem_file("no ending", "instance", "x", "without an ending", "instance.yaml"),
    problem_file("LP without sidecar", "a.lp", LP, "'.lp'", "a.lp.yaml"),
    problem_file(
        "format missing",
        "a.txt",
        RUDY,
        "format",
        "edge_list",
        "rudy",
        problem="family: maxcut",
        field="problem.format",
        about="a.txt.yaml",
        line=1,
    ),
    problem_file(
        "format unknown",
        "a.txt",
        RUDY,
        "'dot'",
        "rudy",
        problem="family: maxcut, format: dot",
        field="problem.format",
        about="a.txt.yaml",
        line=1,
    ),
    problem_file(
        "family without such a format",
        "a.mc",
        RUDY,
        "format",
        problem="family: qubo",
        field="problem.format",
        about="a.mc.yaml",
        line=1,
    ),
    WrongInput(
        "sidecar is wrong",
        {"a.mc": RUDY, "a.mc.yaml": "shotz: 7\n"},
        ("unknown field",),
        line=1,
        field="shotz",
        about="a.mc.yaml",
    ),
    WrongInput(
        "sidecar without fields",
        {"a.mc": RUDY, "a.mc.yaml": "problem: rudy\n"},
        ("fields", "indent"),
        line=1,
        field="problem",
        about="a.mc.yaml",
    ),
    WrongInput("sidecar empty", {"a.mc": RUDY, "a.mc.yaml": "\n"}, ("no fields",), about="a.mc.yaml"),
    WrongInput(
        "sidecar with a list for options",
        {"a.mc": RUDY, "a.mc.yaml": "problem:\n  options: [1]\n"},
        ("fields",),
        line=2,
        field="problem.options",
        about="a.mc.yaml",
    ),
    WrongInput(
        "sidecar names a source",
        {"a.mc": RUDY, "a.mc.yaml": "problem:\n  source: b.mc\n"},
        ("a.mc", "Remove"),
        line=2,
        field="problem.source",
        about="a.mc.yaml",
    ),
    WrongInput(
        "problem file of a specification",
        {"wrong.yaml": "name: wrong\nproblem: {family: maxcut, source: a.mc}\n", "a.mc": "4 3\n1 2 1\n"},
        ("ends after 1 of 3",),
        line=2,
        about="a.mc",
    ),
)

_SERIES = "kind: sampling\nname: wrong\n"
_BELL = 'OPENQASM 3.0;\ninclude "stdgates.inc";\nqubit[2] q;\nh q[0];\ncx q[0], q[1];\n'

SERIES = (
    specification(
        "series without circuits", f"{_SERIES}circuit: {{}}\n", "name a family, or files", line=3, field="circuit"
    ),
    specification(
        "series of a family that is misspelt",
        f"{_SERIES}circuit:\n  family: mirrored\n  widths: 3\n",
        "Did you mean mirror?",
        line=4,
        field="circuit.family",
    ),
    specification(
        "series of a width that the family does not have",
        f"{_SERIES}circuit:\n  family: hidden_shift\n  widths: [2, 3]\n",
        "no circuits of width 3",
        "a multiple of 2",
        line=5,
        field="circuit.widths",
    ),
    specification(
        "series too wide for a reference",
        f"{_SERIES}circuit:\n  family: hamiltonian_simulation\n  widths: 24\n",
        "24 qubits",
        "reference:",
        line=5,
        field="circuit.widths",
    ),
    specification(
        "series on a backend that is not there",
        f"{_SERIES}circuit: {{family: ghz, widths: 3}}\nbackends: ['local:none']\n",
        "no backend",
        line=4,
        field="backends",
    ),
    specification(
        "outcome of another width",
        f"{_SERIES}circuit: {{family: ghz, widths: 3}}\nreference: {{outcome: '00'}}\n",
        "2 bits",
        "3 digits",
        line=4,
        field="reference.outcome",
    ),
    specification(
        "circuits without their kind",
        "name: wrong\ncircuit: {family: ghz, widths: 3}\n",
        "kind: sampling",
        line=2,
        field="kind",
    ),
    specification(
        "series of a file that is not there",
        f"{_SERIES}circuit: {{files: [gone.qasm]}}\n",
        "gone.qasm",
        line=3,
        field="circuit.files",
    ),
    WrongInput(
        "reference with a wrong line",
        {
            "wrong.yaml": f"{_SERIES}circuit: {{files: [bell.qasm]}}\nreference: {{file: p.csv}}\n",
            "bell.qasm": _BELL,
            "p.csv": "outcome,probability\n00,0.5\n1,0.5\n",
        },
        ("not an outcome of 2 bits", "leading zeros"),
        line=3,
        about="p.csv",
    ),
)

ALL = (*SPECIFICATIONS, *PROBLEM_FILES, *SERIES)
