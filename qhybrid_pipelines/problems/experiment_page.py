"""What a specification may name, as `qhybrid schema` and docs/experiments.md say it: made from the families and baselines.

python -m qhybrid_pipelines.problems.experiment_page        writes the generated parts of docs/experiments.md
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qhybrid_pipelines.core.specifications import labels, schedules, variations
from qhybrid_pipelines.core.specifications.commented_defaults import commented_default
from qhybrid_pipelines.core.specifications.experiment_specification import ExperimentSpec
from qhybrid_pipelines.core.specifications.learning_specification import LearningSpec
from qhybrid_pipelines.core.specifications.sampling_specification import SamplingSpec
from qhybrid_pipelines.problems.baseline_runs import all_baselines, optional_baselines
from qhybrid_pipelines.problems.family import Family
from qhybrid_pipelines.problems.graph_sources import GRAPH_FORMATS
from qhybrid_pipelines.problems.registry import all_families

PAGE = Path("docs/experiments.md")


def describe_choices() -> dict[str, str]:
    """Return the descriptions of the fields whose values are found by presence, by their path."""
    return {
        "problem.family": " | ".join(all_families()),
        "baselines": f"default, or a list of what runs in addition to those that always run: {', '.join(optional_baselines())}.",
    }


def commented_experiment() -> str:
    """Return a complete specification as YAML, with the families and baselines that there are."""
    return commented_default(describe_choices())


def experiment_schema() -> dict[str, Any]:
    """Return the JSON schema of a specification, with the families that there are as an enumeration."""
    schema = ExperimentSpec.model_json_schema()
    choices = describe_choices()
    family = schema["$defs"]["ProblemSpec"]["properties"]["family"]
    family |= {"description": choices["problem.family"], "enum": list(all_families())}
    schema["properties"]["baselines"] |= {"description": choices["baselines"]}
    schema["properties"]["sweep"] = {"anyOf": [schema["properties"]["sweep"], {"const": "auto"}]}
    schema["properties"] |= {variations.FIELD: variations.SCHEMA, **labels.SCHEMA, **schedules.SCHEMA}
    return schema


def learning_schema() -> dict[str, Any]:
    """Return the JSON schema of a learning specification."""
    schema = LearningSpec.model_json_schema()
    schema["properties"] |= {variations.FIELD: variations.SCHEMA, **labels.SCHEMA, **schedules.SCHEMA}
    return schema


def sampling_schema() -> dict[str, Any]:
    """Return the JSON schema of a sampling specification, short forms of lists of numbers included."""
    schema = SamplingSpec.model_json_schema()
    sizes = schema["$defs"]["CircuitSpec"]["properties"]
    number: dict[str, Any] = {"type": "integer", "minimum": 1}
    steps = dict.fromkeys(("from", "to", "step"), number)
    span = {"type": "object", "properties": steps, "required": ["from", "to"], "additionalProperties": False}
    for name in ("widths", "depths"):
        sizes[name] = {"anyOf": [sizes[name], number, span], "description": sizes[name]["description"]}
    schema["properties"] |= {variations.FIELD: variations.SCHEMA, **labels.SCHEMA, **schedules.SCHEMA}
    return schema


def family_table() -> str:
    """Return the families as a Markdown table: what is optimised, formats with their endings, generators with parameters."""
    rows = ["| `family` | | formats | generators |", "| --- | --- | --- | --- |"]
    rows += [
        f"| `{family.name}` | {family.title}: {'greatest' if family.sense == 'max' else 'least'} {family.unit} | "
        f"{_formats(family)} | {_generators(family)} |"
        for family in all_families().values()
    ]
    on_graphs = next(family for family in all_families().values() if family.parsers.keys() == GRAPH_FORMATS)
    return "\n".join([*rows, "", f"Graph formats: {_format_list(on_graphs)}."])


def _formats(family: Family) -> str:
    return "the graph formats below" if family.parsers.keys() == GRAPH_FORMATS else _format_list(family)


def _format_list(family: Family) -> str:
    def endings(name: str) -> str:
        found = [f"`{ending}`" for ending, format_name in family.file_suffixes.items() if format_name == name]
        return f" ({', '.join(found)})" if found else ""

    return ", ".join(f"`{name}`{endings(name)}" for name in (*family.parsers, *family.binary_parsers)) or "none"


def _generators(family: Family) -> str:
    return (
        "; ".join(f"`{name}` ({', '.join(model.model_fields)})" for name, (model, _) in family.generators.items())
        or "none"
    )


def baseline_table() -> str:
    """Return the baselines that are found by presence as a Markdown table."""
    rows = ["| baseline | | runs |", "| --- | --- | --- |"]
    rows += [
        f"| `{baseline.name}` | {baseline.title} | {'always' if baseline.always_on else 'where it is named'} |"
        for baseline in all_baselines().values()
    ]
    return "\n".join(rows)


def with_generated_parts(page: str) -> str:
    """Return the page with its generated parts made again: each is between two comments that name it.

    Raises:
        ValueError: a part has no place on the page.
    """
    parts = {
        "defaults": f"```yaml\n{commented_experiment()}```",
        "families": family_table(),
        "baselines": baseline_table(),
    }
    for name, text in parts.items():
        first, last = f"<!-- generated: {name} -->", f"<!-- end: {name} -->"
        before, opened, rest = page.partition(first)
        _, closed, after = rest.partition(last)
        if not (opened and closed):
            raise ValueError(f"the page has no place for the part {name!r}: write {first} and {last}")
        page = f"{before}{first}\n\n{text}\n\n{last}{after}"
    return page


if __name__ == "__main__":
    PAGE.write_text(with_generated_parts(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
