"""One piece of work in several parts, on this process or on workers of Dask or Ray: the port, and which one is used.

The environment variable `QHYBRID_MAPPER` says where parts are worked on:

- ``threads``, the default: in this process, which gives each part all cores, one part after the other;
- ``dask`` or ``ray``: in processes of this machine, one for each core, which start when the first work is large enough;
- ``dask:ADDRESS`` or ``ray:ADDRESS``: on the workers of a cluster that runs already.

A part is a pure function of what it is given. So a part whose worker was killed is worked on again elsewhere, and the result is the same.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from typing import Generic, Protocol, TypeVar

from qhybrid_pipelines.core.errors import EnvironmentFailure, InvalidInput, QHybridError
from qhybrid_pipelines.core.text.spelling import remedy_for_unknown
from qhybrid_pipelines.parallel.cores import limited_cores

VARIABLE = "QHYBRID_MAPPER"
IN_THIS_PROCESS = "threads"
#: The package that each mapper of the others needs; the extra has the mapper's name.
PACKAGES = {"dask": "distributed", "ray": "ray"}
#: How often a part whose worker was killed is begun again; when one more is killed, its work is given up.
MAX_KILLED_WORKERS = 3
#: Parts for each worker: few enough to cost little, and enough that a slow or lost worker does not keep the others waiting.
PARTS_PER_WORKER = 4

Item = TypeVar("Item")
Result = TypeVar("Result")


class WorkersUnavailable(EnvironmentFailure):
    """Workers could not be reached, were lost again and again, or are of another version; nothing was done that has to be undone."""


class Mapper(Protocol):
    """Applies a function to many parts."""

    @property
    def name(self) -> str:
        """Word of the setting."""

    @property
    def workers(self) -> int:
        """How many parts are worked on at once by others; 0 where it is this process that works.

        Raises:
            WorkersUnavailable: there are none.
        """

    def map(self, function: Callable[[Item], Result], parts: Sequence[Item]) -> Iterator[Result]:
        """Yield the result of every part, in their order.

        Args:
            function: pure, and defined in a module, where workers import it.
            parts: what a worker needs to know, picklable.

        Raises:
            QHybridError: the one that a part raised.
            WorkersUnavailable: see there.
        """


class ThreadsMapper:
    """Works on the parts itself; each has all cores, which engines use with threads of their own."""

    name = IN_THIS_PROCESS
    workers = 0

    def map(self, function: Callable[[Item], Result], parts: Sequence[Item]) -> Iterator[Result]:
        """Yield the result of every part, in their order."""
        return map(function, parts)


def chosen_mapper() -> Mapper:
    """Return the mapper that the environment names; its workers are started, or asked for, by the first that uses them.

    Raises:
        InvalidInput: it names none that there is, or one whose package is not installed.
    """
    return _make_mapper(os.environ.get(VARIABLE) or IN_THIS_PROCESS)


@cache
def _make_mapper(text: str) -> Mapper:
    name, colon, address = text.partition(":")
    known = (IN_THIS_PROCESS, *PACKAGES)
    if name not in known:
        raise InvalidInput(
            f"the mapper {name!r} is not known", remedy=remedy_for_unknown(name, known, "Use one of"), field=VARIABLE
        )
    if colon and (name == IN_THIS_PROCESS or not address):
        raise InvalidInput(
            f"{text!r} names no cluster",
            remedy=f"Write {IN_THIS_PROCESS}, dask, ray, dask:ADDRESS or ray:ADDRESS, for example dask:tcp://10.0.0.5:8786.",
            field=VARIABLE,
        )
    if name == IN_THIS_PROCESS:
        return ThreadsMapper()
    if find_spec(PACKAGES[name]) is None:
        raise InvalidInput(
            f"{name} needs a package that is not installed",
            remedy=f"Install the extra: pip install 'qhybrid-pipelines[{name}]'; or unset the variable.",
            field=VARIABLE,
        )
    if name == "dask":
        from qhybrid_pipelines.parallel.dask_mapper import DaskMapper

        return DaskMapper(address or None)
    from qhybrid_pipelines.parallel.ray_mapper import RayMapper

    return RayMapper(address or None)


@dataclass(frozen=True, slots=True, kw_only=True)
class PartResult(Generic[Result]):
    """What a worker sends back: a result, or the error of ours instead of it, which keeps its type and its message."""

    result: Result | None
    error: QHybridError | None

    def unwrap(self) -> Result:
        """Return the result. Raises the error."""
        if self.error is not None:
            raise self.error
        return self.result  # type: ignore[return-value]  # None may be one


def work_on_part(function: Callable[[Item], Result], part: Item, *, release: str) -> PartResult[Result]:
    """Apply a function to a part on a worker, with one core: its neighbours have parts of their own.

    Args:
        function: see `Mapper.map`.
        part: likewise.
        release: of this package where the work comes from.
    """
    try:
        if version(DISTRIBUTION) != release:
            raise WorkersUnavailable(
                f"a worker has release {version(DISTRIBUTION)} of this package, and its work is of {release}",
                remedy="Install the same release on all workers.",
            )
        with limited_cores(1):
            return PartResult(result=function(part), error=None)
    except QHybridError as error:
        return PartResult(result=None, error=error)


DISTRIBUTION = "qhybrid-pipelines"


def own_release() -> str:
    """Return the release of this package."""
    return version(DISTRIBUTION)
