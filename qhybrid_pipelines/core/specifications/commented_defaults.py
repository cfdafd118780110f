"""The commented default specifications, made from the models' own descriptions."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import yaml
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from qhybrid_pipelines.core.specifications.experiment_specification import ExperimentSpec
from qhybrid_pipelines.core.specifications.learning_specification import LearningSpec
from qhybrid_pipelines.core.specifications.sampling_specification import SamplingSpec

#: The text where a field has no default.
EXAMPLE = {"name": "maxcut-karate", "family": "maxcut", "source": "networkx:karate_club"}
LEARNING_EXAMPLE = {"name": "breast-cancer", "source": "sklearn:breast_cancer"}
#: And what stands for a default that only says that something is to be named.
SAMPLING_EXAMPLE = {"name": "ghz-series", "family": "ghz", "widths": [3, 4, 5]}
COMMENT_COLUMN = 36


def commented_default(descriptions: Mapping[str, str] = MappingProxyType({})) -> str:
    """Return a complete specification as YAML, every field with its default and a comment; it can be run as it is.

    Args:
        descriptions: replaces those of some fields, by their path with dots, where more is known than here.
    """
    return "\n".join(_lines(ExperimentSpec, EXAMPLE, descriptions=descriptions)) + "\n"


def commented_learning_default() -> str:
    """Return the same for an experiment of kind ``qml``."""
    return "\n".join(_lines(LearningSpec, LEARNING_EXAMPLE, descriptions={})) + "\n"


def commented_sampling_default() -> str:
    """Return the same for an experiment of kind ``sampling``."""
    return "\n".join(_lines(SamplingSpec, SAMPLING_EXAMPLE, descriptions={})) + "\n"


def _lines(
    model: type[BaseModel], example: Mapping[str, Any], *, descriptions: Mapping[str, str], above: str = ""
) -> list[str]:
    indent = "  " * above.count(".")
    lines: list[str] = []
    chosen: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        inner = field.annotation
        description = descriptions.get(above + name, field.description)
        comment = f"# {description}" if description else ""
        if name == "lineage":
            continue
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            lines += [
                f"{indent}{name}:".ljust(COMMENT_COLUMN if comment else 0) + comment,
                *_lines(inner, example, descriptions=descriptions, above=f"{above}{name}."),
            ]
            continue
        default = (
            example.get(name)
            if field.is_required() or name in example
            else field.get_default(call_default_factory=True, validated_data=chosen)
        )
        assert default is not PydanticUndefined
        chosen[name] = default
        lines.append(
            f"{indent}{name}: {_flow(default)}".ljust(COMMENT_COLUMN) + f" {comment}"
            if comment
            else f"{indent}{name}: {_flow(default)}"
        )
    return [line.rstrip() for line in lines]


def _flow(value: Any) -> str:
    """Return a value as one line of YAML."""
    plain = list(value) if isinstance(value, tuple) else value
    return yaml.safe_dump(plain, default_flow_style=True, width=1000).removesuffix("\n").removesuffix("\n...").strip()
