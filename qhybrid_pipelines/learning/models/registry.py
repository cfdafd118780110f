"""The models that are there: every module in `learning/models/catalogue/` that exports ``MODEL``."""

from __future__ import annotations

from functools import cache

from qhybrid_pipelines.core.discovery import exported_by_modules, public_members
from qhybrid_pipelines.learning.models import catalogue
from qhybrid_pipelines.learning.models.trainable_model import TrainableModel


@cache
def all_models() -> dict[str, TrainableModel]:
    """Return the models by name, in the order of their modules.

    Raises:
        TypeError: a model lacks something that :class:`.TrainableModel` asks for.
    """
    found: list[TrainableModel] = exported_by_modules(catalogue, "MODEL", required=public_members(TrainableModel))
    return {model.name: model for model in found}
