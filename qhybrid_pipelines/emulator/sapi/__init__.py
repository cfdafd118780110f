"""The face of an annealing cloud: D-Wave's Solver API, version 3, over the emulator's one store, clock, fault plan and job log."""
