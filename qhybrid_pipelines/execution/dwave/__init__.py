"""D-Wave's annealers through the Solver API, version 3, over our own transport."""

NAME = "dwave"
