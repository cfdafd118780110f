"""Reading a specification from YAML or JSON text: plain data only, and errors that name the line and the field."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.core.names import composed
from qhybrid_pipelines.core.specifications import labels, schedules, variations
from qhybrid_pipelines.core.specifications.experiment_specification import ExperimentSpec
from qhybrid_pipelines.core.specifications.learning_specification import LearningSpec
from qhybrid_pipelines.core.specifications.sampling_specification import AnySpec, SamplingSpec
from qhybrid_pipelines.core.specifications.validation_messages import first_finding
from qhybrid_pipelines.core.text.spelling import closest_match

Model = TypeVar("Model", bound=BaseModel)

#: The 1-based line of every field of a text, by the names down to it.
Lines = dict[tuple[str, ...], int]

MAX_BYTES = 256 * 1024
MAX_DEPTH = 20

_OPENING = (
    yaml.FlowSequenceStartToken,
    yaml.FlowMappingStartToken,
    yaml.BlockSequenceStartToken,
    yaml.BlockMappingStartToken,
)
_CLOSING = (yaml.FlowSequenceEndToken, yaml.FlowMappingEndToken, yaml.BlockEndToken)
KINDS = ("optimisation", "qml", "sampling")
#: What a page may say beside the fields of its experiment.
PAGE_FIELDS = (labels.OWNER, labels.TAGS, schedules.FIELD, variations.FIELD)
SCHEMA_HINT = "`qhybrid schema` prints every field with its default."

_NUMBER_TAGS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")
#: A number as everybody reads it; infinities and NaN are refused by the fields themselves, which have better words.
_DECIMAL_NUMBER = re.compile(
    r"[-+]?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|nan)", re.IGNORECASE
)

#: What to do where YAML's own words need a translation.
_REMEDIES = {
    "but found another document": "Put one experiment into one file.",
    "found character '\\t' that cannot start any token": "Indent with spaces, not with tabs.",
    "found unhashable key": "The name of a field is plain text.",
}


def read_specification(text: str, *, file: str) -> tuple[ExperimentSpec, Lines]:
    """Return the validated specification in ``text`` (YAML, of which JSON is a part), and the lines of its fields.

    Raises:
        InvalidInput: the text is no YAML, holds aliases or repeated keys, or a field is unknown, missing or wrong.
            Names the file, the line and the field.
    """
    data, lines = read_mapping(text, file=file)
    return validate_specification(data, file=file, lines=lines), lines


def read_experiment(text: str, *, file: str) -> tuple[AnySpec, Lines]:
    """Return the validated specification in ``text`` of whichever kind it says it is, and the lines of its fields.

    ``kind: qml`` is a learning experiment, ``kind: sampling`` one of circuits; ``kind: optimisation``, or no kind, is an optimisation.

    Raises:
        InvalidInput: as for `read_specification`, there is no such kind, or the text stands for several experiments.
    """
    found = [(one.specification, one.lines) for one in read_experiments(text, file=file)]
    if len(found) != 1:
        raise InvalidInput(
            f"this page makes {len(found)} experiments, and one is asked for here",
            remedy="Remove `vary`.",
            file=file,
            field=variations.FIELD,
        )
    return found[0]


class WrittenExperiment(NamedTuple):
    """What a page says of one experiment: its specification, the lines of its fields, and what comes with it.

    Attributes:
        specification: the experiment.
        lines: of its fields.
        labels: owner and tags that are given.
        schedule: when it is to run again, None where the page says nothing of it.
        unscheduled: the page says that it is not to run again.
    """

    specification: AnySpec
    lines: Lines
    labels: dict[str, Any]
    schedule: schedules.Schedule | None = None
    unscheduled: bool = False


def read_experiments(text: str, *, file: str) -> list[WrittenExperiment]:
    """Return the experiments that ``text`` stands for, more than one where it has `core.specifications.variations.FIELD`.

    Raises:
        InvalidInput: as for `read_experiment`, of any of them.
    """
    data, lines = read_mapping(text, file=file)
    return validate_experiments(data, file=file, lines=lines)


def validate_experiments(data: dict[str, Any], *, file: str, lines: Lines) -> list[WrittenExperiment]:
    """Return the experiments that ``data`` stands for."""
    fields, given = labels.extract_labels(data, lines, file=file)
    fields, schedule = schedules.extract_schedule(fields, lines, file=file, now=datetime.now(UTC))
    unscheduled = schedule is None and schedules.FIELD in data
    beside = () if variations.FIELD in fields else PAGE_FIELDS  # none of these can be varied
    return [
        WrittenExperiment(
            _validate_kind(one, file=file, lines=where, beside=beside), where, given, schedule, unscheduled
        )
        for one, where in variations.expand_variations(fields, lines, file=file)
    ]


def _validate_kind(data: dict[str, Any], *, file: str, lines: Lines, beside: Sequence[str]) -> AnySpec:
    kind = data.get("kind", "optimisation")
    if kind == "qml":
        return _validate_model(LearningSpec, data, file=file, lines=lines, beside=beside)
    if kind == "sampling":
        return _validate_model(SamplingSpec, data, file=file, lines=lines, beside=beside)
    if kind != "optimisation":
        raise InvalidInput(
            f"there is no kind {kind!r}",
            remedy=" ".join(
                filter(
                    None,
                    [
                        closest_match(kind, KINDS),
                        "Write qml for learning, sampling for circuits without a problem, or omit the field for an optimisation.",
                        SCHEMA_HINT,
                    ],
                )
            ),
            file=file,
            line=find_line("kind", lines),
            field="kind",
        )
    for field, kind, what in (
        ("dataset", "qml", "a data set"),
        ("circuit", "sampling", "circuits and without a problem"),
    ):
        if "kind" not in data and field in data and "problem" not in data:
            word = "learning" if kind == "qml" else kind
            raise InvalidInput(
                f"an experiment with {what} does not say that it is one of {word}",
                remedy=f"Add the line kind: {kind}. {SCHEMA_HINT}",
                file=file,
                line=find_line(field, lines),
                field="kind",
            )
    # The kind of an optimisation is not part of its specification, so that all keys stay as they are.
    fields = {k: v for k, v in data.items() if k != "kind"}
    return _validate_model(ExperimentSpec, fields, file=file, lines=lines, beside=beside)


def validate_specification(data: dict[str, Any], *, file: str, lines: Lines) -> ExperimentSpec:
    """Return the specification that ``data`` holds; ``lines`` has the line of each field, as far as known."""
    return _validate_model(ExperimentSpec, data, file=file, lines=lines)


def _validate_model(
    model: type[Model], data: dict[str, Any], *, file: str, lines: Lines, beside: Sequence[str] = ()
) -> Model:
    try:
        return model.model_validate(data)
    except ValidationError as error:
        found = first_finding(error, data, model, beside=beside)
        raise InvalidInput(
            found.problem,
            remedy=f"{found.remedy} {SCHEMA_HINT}",
            file=file,
            line=find_line(".".join(found.path), lines),
            field=".".join(found.path) or None,
        ) from None


def find_line(field: str | None, lines: Lines) -> int | None:
    """Return the line of a dotted field, else of the nearest field above it that has one."""
    path = tuple(field.split(".")) if field else ()
    return next((lines[path[:end]] for end in range(len(path), 0, -1) if path[:end] in lines), None)


def read_mapping(text: str, *, file: str) -> tuple[dict[str, Any], Lines]:
    """Return the mapping in ``text`` and the 1-based line of every key, by its path.

    Raises:
        InvalidInput: not YAML, not a mapping, too large, with aliases or repeated keys, or with a number that YAML reads
            in another base than ten.
    """
    if len(text.encode()) > MAX_BYTES:
        raise InvalidInput(
            f"the specification has more than {MAX_BYTES // 1024} kB",
            remedy="A specification is a page of text; put the instance into a file and name that file as problem.source.",
            file=file,
        )
    node, data = _parse_yaml(composed(text), file=file)
    if not isinstance(data, dict) or not isinstance(node, yaml.MappingNode):
        raise InvalidInput(
            "the file holds no fields",
            remedy=f"Write `name:`, and `problem:` with its fields indented below. {SCHEMA_HINT}",
            file=file,
        )
    _check_numbers(node, (), file=file)
    lines: Lines = {}
    for path, line in _key_lines(node, ()):
        if path in lines:
            raise InvalidInput(
                "the same field is given twice",
                remedy=f"Remove one; the first is in line {lines[path]}.",
                file=file,
                line=line,
                field=".".join(path),
            )
        lines[path] = line
    return data, lines


def _parse_yaml(text: str, *, file: str) -> tuple[yaml.Node | None, Any]:
    """Return a text as YAML's tree of nodes, which knows the lines, and as plain data."""
    kind = "JSON" if file.lower().endswith(".json") else "YAML"
    if kind == "JSON":
        text = text.replace("\t", " ")  # YAML indents without tabs; inside the texts of JSON there are none
    depth = 0
    try:
        for token in yaml.scan(text, Loader=yaml.SafeLoader):
            depth += isinstance(token, _OPENING) - isinstance(token, _CLOSING)
            if depth > MAX_DEPTH:  # YAML's reader takes time with the square of the depth
                raise InvalidInput(
                    "it is nested too deeply",
                    remedy="Write plain values; no field is deeper than a few levels.",
                    file=file,
                    line=token.start_mark.line + 1,
                )
            if isinstance(token, yaml.AliasToken):
                raise InvalidInput(
                    "YAML aliases are not accepted",
                    remedy="Write the value out.",
                    file=file,
                    line=token.start_mark.line + 1,
                )
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        data = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        raise InvalidInput(
            f"this is not {kind}: {error.problem or 'unreadable'}",
            remedy=_REMEDIES.get(error.problem or "", "Check the indentation, brackets and quotes at this line."),
            file=file,
            line=mark.line + 1 if mark else None,
        ) from None
    except yaml.reader.ReaderError as error:
        raise InvalidInput(
            f"the character with the code {error.character} has no place in text",
            remedy="Save the file as plain UTF-8 text.",
            file=file,
            line=text[: error.position].count("\n") + 1,
        ) from None
    except (yaml.YAMLError, ValueError) as error:
        raise InvalidInput(
            f"this is not {kind}: "
            + ("a number has thousands of digits" if "digits" in str(error) else " ".join(str(error).split())),
            remedy="Write plain numbers and texts, and put what looks like a date into quotes.",
            file=file,
        ) from None
    return node, data


def _check_numbers(node: yaml.Node, path: tuple[str, ...], *, file: str) -> None:
    """Refuse what YAML 1.1 reads as a number in another base: ``0100`` is 64 to it, ``1:30`` is 90, ``0x10`` is 16."""
    if isinstance(node, yaml.ScalarNode):
        if node.tag in _NUMBER_TAGS and not _DECIMAL_NUMBER.fullmatch(node.value.replace("_", "")):
            raise InvalidInput(
                f"{node.value} is not a decimal number: YAML reads {yaml.safe_load(node.value)!r}",
                remedy="Write a number with decimal digits and without leading zeros, and put a text into quotes.",
                file=file,
                line=node.start_mark.line + 1,
                field=".".join(path) or None,
            )
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            here = (*path, str(key.value))
            _check_numbers(key, here, file=file)
            _check_numbers(value, here, file=file)
    elif isinstance(node, yaml.SequenceNode):
        for number, item in enumerate(node.value):
            _check_numbers(item, (*path, str(number)), file=file)


def _key_lines(node: yaml.Node, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], int]]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            here = (*path, str(key.value))
            yield here, key.start_mark.line + 1
            yield from _key_lines(value, here)
    elif isinstance(node, yaml.SequenceNode):
        for number, item in enumerate(node.value):
            here = (*path, str(number))
            yield here, item.start_mark.line + 1
            yield from _key_lines(item, here)
