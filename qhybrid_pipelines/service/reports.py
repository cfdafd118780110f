"""Reports of experiments for whoever may see them: drawn apart from the server, one at a time for each caller, and kept for a while."""

from __future__ import annotations

import threading
from collections import OrderedDict

from qhybrid_pipelines.service.intake.checkers import Checkers
from qhybrid_pipelines.service.problem_documents import Problem, ProblemError

#: Reports that are kept until their experiment changes.
MOST_KEPT = 16
#: A report takes some seconds.
RETRY_SECONDS = 5


class Reports:
    """Has reports drawn.

    Args:
        drawers: draw them.
    """

    def __init__(self, drawers: Checkers) -> None:
        self._drawers = drawers
        self._lock = threading.Lock()
        self._drawing_for: set[str] = set()
        self._kept: OrderedDict[tuple[str, str], str] = OrderedDict()

    def html(self, principal: str, experiment: str, version: str) -> str:
        """Return the report of a registered experiment as a page.

        Args:
            principal: who asks; the drawing of one report at a time keeps one caller from keeping the others waiting.
            experiment: its key; whether the caller may see it was asked before.
            version: of the experiment, by `pages.experiment_view.view_of`; equal ones have the same report.

        Raises:
            ProblemError: 429, a report is being drawn for this principal; 503, too many wait; 422, it takes too long.
        """
        place = (experiment, version)
        with self._lock:
            if place in self._kept:
                self._kept.move_to_end(place)
                return self._kept[place]
            if principal in self._drawing_for:
                raise ProblemError(
                    Problem(
                        status=429,
                        code="rate-limited",
                        detail="Another report is being drawn for you.",
                        remedy="Ask again in a few seconds.",
                        retry_after_seconds=RETRY_SECONDS,
                    )
                )
            self._drawing_for.add(principal)
        try:
            found = self._drawers.report(experiment)
        finally:
            with self._lock:
                self._drawing_for.discard(principal)
        with self._lock:
            self._kept[place] = found
            while len(self._kept) > MOST_KEPT:
                self._kept.popitem(last=False)
        return found
