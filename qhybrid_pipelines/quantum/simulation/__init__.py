"""Simulation as mathematics: from energies and angles to probabilities, from probabilities to shots. It knows no jobs' life, no files, no vendors."""
