"""Whether specifications and decisions can be read; a row of `qhybrid doctor`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qhybrid_pipelines.control.experiments.damaged_files import Damage, load_readable
from qhybrid_pipelines.control.experiments.due_stages import due_stages
from qhybrid_pipelines.steps.interpret.next_rounds import find_next_rounds
from qhybrid_pipelines.steps.operate.due_work import open_experiments, settled_marks
from qhybrid_pipelines.storage.lake import Lake

if TYPE_CHECKING:
    from qhybrid_pipelines.control.control_plane import ControlPlane
    from qhybrid_pipelines.storage.specifications import Specifications

#: Experiments named in the row.
MAX_NAMED = 5


def check_experiments(specifications: Specifications, control_plane: ControlPlane, *, full: bool) -> tuple[bool, str]:
    """Read specifications and decisions, as the sensors do; what is damaged keeps no other experiment waiting.

    Args:
        specifications: of the home.
        control_plane: of the home.
        full: read all. Without it, of the experiments that are settled only the files are looked at, which tells whether one was
            changed since it was read.

    Returns:
        Whether all can be read, and what was found.
    """
    damage, lake, number = Damage(), Lake(specifications.home), len(specifications.keys())
    marks = settled_marks(specifications.home)
    settled = set() if full else marks.keys() - marks.find_changed()
    unsettled = open_experiments(specifications, control_plane.ledger, settled)
    readable = load_readable(specifications, unsettled, damage)
    for key, spec in readable:
        with damage.of(key):
            list(find_next_rounds(key, spec, lake))
    due_stages(readable, lake, control_plane, damage)
    if not damage.problems:
        unchanged = f", {number - len(unsettled)} of them unchanged since they were" if number > len(unsettled) else ""
        return True, f"{number}, all can be read{unchanged}"
    named = [f"{key}: {problem}" for key, problem in list(damage.problems.items())[:MAX_NAMED]]
    more = f"; and {len(damage.problems) - MAX_NAMED} more" if len(damage.problems) > MAX_NAMED else ""
    return False, f"{len(damage.problems)} cannot go on, the others do. {'; '.join(named)}{more}"
