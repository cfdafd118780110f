"""A first page for an experiment: what a file is, found by asking every reader, and a commented specification of it.

A reader is believed only where no other one of the family accepts the file too, and nothing that a file does not say is guessed:
both would change the optimum in silence.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml

from qhybrid_pipelines.core.canonical import sha256_hex
from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.core.names import name_in_allowed_letters
from qhybrid_pipelines.core.specifications.experiment_specification import FileSource, ProblemSpec
from qhybrid_pipelines.core.text.printable import one_line
from qhybrid_pipelines.core.text.spelling import remedy_for_unknown
from qhybrid_pipelines.problems.family import Family
from qhybrid_pipelines.problems.graph_sources import GRAPH_FORMATS
from qhybrid_pipelines.problems.instance import Instance
from qhybrid_pipelines.problems.registry import all_families
from qhybrid_pipelines.problems.sources import guess_format, load_instance, read_file

#: Larger files are not tried with every reader: their format has to be named.
MAX_TRIED_BYTES = 5_000_000
#: A graph that every family on graphs takes, to begin with.
EXAMPLE_GRAPH = "networkx:karate_club"
#: What parameters of generators are set to in an example; 4 where there is nothing better.
_EXAMPLE_VALUES = MappingProxyType(
    {"n": 12, "assets": 12, "variables": 12, "nodes": 12, "constraints": 3, "density": 0.5}
)
#: Values that are tried of options which a file cannot say, to see whether the reader understands the rest of it.
_TRIED_VALUES: Mapping[str, tuple[Any, ...]] = MappingProxyType(
    {"index_base": (0, 1), "sense": ("min",), "offdiag_doubled": (True,), "cardinality": (1,)}
)

_PAGE = """\
# {what}
# Every field with its default: qhybrid schema. What it would cost: qhybrid estimate FILE. To run it: qhybrid run FILE.
{name}
{problem}
sweep: auto                # the angles are optimised before anything is sent, and the shots are spent there
# ansatz: {{layers: 2}}      # deeper circuits reach more, and cost more
shots: 1024                # for each of the repetitions
repetitions: 10            # a verdict rests on these; below ten it stays open
backends: ["local:auto"]   # others: qhybrid backends; every backend gets its own verdict
# budget: {{usd: 10.0}}      # needed for a backend that costs something
# vary: {{ansatz.layers: [1, 2, 3]}}
# owner: ada
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recognised:
    """What a file is.

    Attributes:
        family: name of the family.
        format: name of the format.
        instance: what was read.
        options: that had to be given.
    """

    family: str
    format: str
    instance: Instance
    options: Mapping[str, Any] = field(default_factory=dict)


def recognise(
    path: Path, *, family: str | None = None, format_name: str | None = None, options: Mapping[str, Any] | None = None
) -> Recognised:
    """Return what a file is.

    Args:
        path: the file.
        family: one of the families; where omitted, the file has to say it by its ending or by what accepts it.
        format_name: one of its formats; where omitted, exactly one reader has to accept the file.
        options: of the problem, for what a file does not say.

    Raises:
        InvalidInput: there is no such file, family or format; no reader accepts the file, or more than one does.
    """
    name, content = read_file(str(path.name), path.parent, field="FILE")
    given = dict(options or {})
    families = _families(name, family)
    if format_name is not None:
        [one] = families if len(families) == 1 else [_only_family(families, format_name)]
        instance = _load(one, format_name, name, content, given)
        return Recognised(family=one.name, format=format_name, instance=instance, options=given)
    if len(content) > MAX_TRIED_BYTES:
        raise InvalidInput(
            f"the file has {len(content) / 1e6:.0f} MB, and is not tried with every reader",
            remedy="Name the family and --format.",
            field="FILE",
        )
    found, refusals = _try_readers(families, name, content, given)
    asking = [] if found else _asking(families, refusals, name, content, given)
    return _only(found, asking, refusals, name)


def page(what: str, name: str, problem: Mapping[str, Any]) -> str:
    """Return the text of a specification with a comment on each line.

    Args:
        what: said in the first line.
        name: of the experiment.
        problem: the fields of ``problem``.
    """
    fields = yaml.safe_dump(dict(problem), sort_keys=False, default_flow_style=True, width=1000)
    named = yaml.safe_dump({"name": name}, default_flow_style=False).strip()
    return _PAGE.format(what=one_line(what), name=named, problem=f"problem: {fields.strip()}")


def page_of_file(found: Recognised, source: str) -> str:
    """Return the page of a recognised file; ``source`` is its path as the page names it."""
    family = all_families()[found.family]
    problem: dict[str, Any] = {"family": found.family, "source": source, "format": found.format}
    if found.options:
        problem["options"] = dict(found.options)
    what = f"{family.title}: {source} in the format {found.format}, {found.instance.size} variables."
    return page(what, name_in_allowed_letters(found.instance.name), problem)


def page_of_family(name: str) -> str:
    """Return a page with an example of a family.

    Raises:
        InvalidInput: there is no such family.
    """
    family = _family(name)
    source: object = EXAMPLE_GRAPH
    if family.parsers.keys() != GRAPH_FORMATS:
        generator, (parameters, _) = next(iter(family.generators.items()))
        required = [key for key, info in parameters.model_fields.items() if info.is_required()]
        source = {"generator": generator, **{key: _EXAMPLE_VALUES.get(key, 4) for key in required}}
    what = f"{family.title}. An example: put your own in place of `source`; formats are in docs/experiments.md."
    return page(what, f"my {name.replace('_', ' ')}", {"family": name, "source": source})


def _families(file_name: str, family: str | None) -> list[Family]:
    """Return the families that a file may be for."""
    if family is not None:
        return [_family(family)]
    guessed = guess_format(file_name)
    return [all_families()[guessed[0]]] if guessed else list(all_families().values())


def _family(name: str) -> Family:
    families = all_families()
    if name not in families:
        raise InvalidInput(
            f"there is neither a family nor a file '{name}'",
            remedy=remedy_for_unknown(name, [*families], "Use one of"),
            field="FAMILY",
        )
    return families[name]


def _only_family(families: list[Family], format_name: str) -> Family:
    able = [one for one in families if format_name in {*one.parsers, *one.binary_parsers}]
    if len(able) != 1:
        named = ", ".join(one.name for one in able) or "none"
        raise InvalidInput(
            f"the format {format_name!r} is read by {len(able)} families",
            remedy=f"Name the family before the file: {named}.",
            field="FAMILY",
        )
    return able[0]


def _load(family: Family, format_name: str, name: str, content: bytes, options: dict[str, Any]) -> Instance:
    source = FileSource(file=name, sha256=sha256_hex(content))
    problem = ProblemSpec(family=family.name, source=source, format=format_name, options=options)
    return load_instance(problem, lambda _: content)


def _try_readers(
    families: list[Family], name: str, content: bytes, options: dict[str, Any], *, only: str | None = None
) -> tuple[list[Recognised], dict[str, InvalidInput]]:
    """Return what each reader makes of a file, and why the others refuse it."""
    found: list[Recognised] = []
    refusals: dict[str, InvalidInput] = {}
    for family in families:
        for format_name in (*family.parsers, *family.binary_parsers):
            if only not in (None, format_name):
                continue
            try:
                instance = _load(family, format_name, name, content, options)
            except InvalidInput as error:
                refusals.setdefault(format_name, error)
            else:
                found.append(Recognised(family=family.name, format=format_name, instance=instance, options=options))
    return found, refusals


def _asking(
    families: list[Family], refusals: Mapping[str, InvalidInput], name: str, content: bytes, options: dict[str, Any]
) -> list[str]:
    """Return the formats whose readers understand a file but for an option that it cannot say."""
    asking = []
    for format_name, error in refusals.items():
        option = (error.field or "").removeprefix("problem.options.")
        for value in _TRIED_VALUES.get(option, ()):
            if _try_readers(families, name, content, {**options, option: value}, only=format_name)[0]:
                asking.append(format_name)
                break
    return asking


def _only(found: list[Recognised], asking: list[str], refusals: Mapping[str, InvalidInput], name: str) -> Recognised:
    if len(found) == 1:
        return found[0]
    if not found:
        if len(asking) == 1:
            error = refusals[asking[0]]
            option = str(error.field).rpartition(".")[2]
            raise InvalidInput(
                f"{name} is a file of the format {asking[0]}, and {error.problem}",
                remedy=f"Add --option {option}=VALUE. {error.remedy}",
                field="FILE",
            )
        told = "; ".join(f"{key}: {error.problem}" for key, error in list(refusals.items())[:4])
        raise InvalidInput(
            f"no reader accepts {name}",
            remedy=f"Name the family and --format, which says what is wrong in which line. The first refusals: {told}.",
            field="FILE",
        )
    formats = sorted({one.format for one in found})
    families = sorted({one.family for one in found})
    if len(formats) == 1:
        raise InvalidInput(
            f"{name} is a file of the format {formats[0]}, and {len(families)} families read it",
            remedy=f"Say what is asked of it: qhybrid new {' | '.join(families)} {name}.",
            field="FAMILY",
        )
    raise InvalidInput(
        f"{name} can be read as {', '.join(formats)}",
        remedy="Name the family before the file, and the format by --format: they mean different problems.",
        field="FILE",
    )
