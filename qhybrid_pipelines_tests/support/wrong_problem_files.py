"""Problem files that are refused, and what has to be said about each."""

from __future__ import annotations

from qhybrid_pipelines_tests.support.wrong_input import (
    MEGABYTE,
    TOUR,
    WrongInput,
    problem_file,
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
    problem_file("edge twice", "a.mc", "4 3\n1 2 1\n2 3 1\n1 2 1\n", "already in line 2", "duplicates", line=4),
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
    problem_file("sparse entry twice", "a.sparse", "3 2\n1 2 2\n2 1 2\n", "already in line 2", line=3),
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
