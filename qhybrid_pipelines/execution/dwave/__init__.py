"""D-Wave's annealers and hybrid solvers through the Solver API, version 3, over our own transport."""

NAME = "dwave"
