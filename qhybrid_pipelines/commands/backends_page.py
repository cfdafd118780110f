"""The page about backends: what the adapters declare, and the columns of `qhybrid backends`.

python -m qhybrid_pipelines.commands.backends_page        writes docs/backends.md
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from qhybrid_pipelines.commands.backend_columns import CHOICE_COLUMNS, CHOICE_GIVEN_UP, COLUMNS, GIVEN_UP
from qhybrid_pipelines.control.backend_monitoring.backend_matrix import declared_groups
from qhybrid_pipelines.core.jobs.backend_declaration import Declaration

PAGE = Path("docs/backends.md")

_INTRODUCTION = """# Backends: which to choose

```sh
qhybrid backends                       # all of them: what they are, what they bill, how long they let you wait
qhybrid backends --for my-problem.yaml # which of them take it, at what price, and why not the others
qhybrid backends show local:auto       # all that is known of one, and what its adapter was run against
```

With `--for`, the circuits that a specification of any kind plans for its own backends are offered to every other one, and each is asked for
limits, price, compiler, policy and budget. Nothing is registered and nothing is sent. A depth that the specification leaves to gate errors stays
the one of its own backends. Those that take it come first, the cheapest of them at the top; exit code 4 says that none does. Backends of a provider
that nobody has set up share one line.

`--json` has every column of the table [`backend_capabilities`](data-dictionary.md#backend_capabilities), which `operate_publish` writes to the
warehouse, and with `--for` the price range, its assumptions and each reason on its own. Ages of calibrations are those of the ledger: a device that
was never asked for one has none.

A rule of the [policy](policy.md) may demand a region. It is refused before anything is paid where a backend is elsewhere, or where nobody says where
it is.

This page is written by `python -m qhybrid_pipelines.commands.backends_page` from what the adapters declare, and a test compares them."""


def page() -> str:
    """Return the whole page as Markdown."""
    declared = declared_groups()
    parts = [_INTRODUCTION, "## What the adapters declare", _overview(declared)]
    parts += [_section(declaration) for declaration in declared]
    parts += [
        "`chaos:PROVIDER.BACKEND` is what the backend behind it is, with planned faults in between.",
        "## Columns of the command",
        _columns(COLUMNS),
        f"Where the window is too narrow, columns are left out in this order: {_words(GIVEN_UP)}.",
        "With `--for SPEC`:",
        _columns(CHOICE_COLUMNS),
        f"Left out first: {_words(CHOICE_GIVEN_UP)}. What goes to a pipe or a file has all of them.",
    ]
    return "\n\n".join(parts) + "\n"


def _overview(declared: Sequence[Declaration]) -> str:
    headings = (
        "backends",
        "plane",
        "vendor",
        "bills",
        "repeats",
        "times",
        "queue figures",
        "credential",
        "run against, last on",
    )
    rows = [
        (
            f"`{one.backends}`",
            one.plane,
            one.vendor,
            one.price_model,
            f"`{one.dedupe}`",
            _words(one.times),
            _words(one.queue_figures) or "none",
            one.credential,
            one.evidence_on.isoformat(),
        )
        for one in declared
    ]
    return "\n".join(_table(headings, rows))


def _section(declared: Declaration) -> str:
    rows = (
        ("price", f"{declared.price_model}; {declared.price_source}"),
        ("limits", declared.limits),
        ("states reported", _words(state.value for state in declared.states)),
        ("observability", declared.observability),
        ("queue", declared.queue),
        ("calibration", declared.calibration),
        ("security", declared.security),
        ("region", declared.region),
        ("other ways there", declared.sdks),
        ("integration", declared.integration),
        ("run against what", f"{declared.evidence} ({declared.evidence_on.isoformat()})"),
    )
    return "\n".join([f"### {declared.backends}", "", *_table(("", declared.vendor), rows)])


def _columns(columns: Mapping[str, str]) -> str:
    return "\n".join(_table(("column", "meaning"), [(f"`{name}`", meaning) for name, meaning in columns.items()]))


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(headings)} |"
    yield "|" + "---|" * len(headings)
    for row in rows:
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |"


def _words(words: Iterable[str]) -> str:
    return ", ".join(f"`{word}`" for word in words)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
