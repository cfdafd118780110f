"""Ising models on the qubit graph of an annealer: embedding, programming, and the way back."""
