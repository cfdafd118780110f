"""Embeddings for models that are about to be planned: annealers are asked for their qubit graph."""

from __future__ import annotations

from collections.abc import Callable

from qhybrid_pipelines.core.binary_models.ising import IsingModel
from qhybrid_pipelines.core.errors import InvalidInput, Rejected
from qhybrid_pipelines.core.jobs.embedding import Embedding
from qhybrid_pipelines.execution.abilities import Ability, with_ability
from qhybrid_pipelines.execution.port import Provider, calling


class Embedder:
    """Finds embeddings.

    Args:
        provider_for: returns the provider of a backend.
    """

    def __init__(self, provider_for: Callable[[str], Provider]) -> None:
        self._provider_for = provider_for

    def embed(self, model: IsingModel, backend: str, *, seed: int) -> Embedding:
        """Return an embedding of a model on a backend as it is now; the same model, graph and seed give the same one.

        Raises:
            InvalidInput: the backend runs circuits, does not exist, or the model does not fit it.
            ProviderError: its qubit graph could not be read.
        """
        provider = self._provider_for(backend)
        able = with_ability(provider, Ability.EMBED)
        if able is None:
            raise InvalidInput(
                f"'{backend}' runs circuits, and the specification says annealing",
                remedy="Leave annealing out, or name an annealer, for example dwave:Advantage2_system1.",
                field="backends",
            )
        try:
            with calling(provider.name, "embed"):
                return able.embed(model, backend, seed=seed)
        except Rejected as error:
            raise InvalidInput(
                f"{backend} is not there: {error}", remedy="Name another one.", field="backends"
            ) from error
