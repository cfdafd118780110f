"""Job shop files in the standard form of JSPLIB: ``jobs machines``, then a line for each job of machines and durations.

Machines count from 0, and each job visits each of them once, in the order of its line. Lines that start with ``#`` are comments.
Source: J. E. Beasley's OR-Library, "Job shop scheduling" (1990); JSPLIB uses the same form.
"""

from __future__ import annotations

from qhybrid_pipelines.problems.formats.lines import check_count, size_field, split_rows

#: Machine (from 0) and duration of each operation of each job.
Jobs = tuple[tuple[tuple[int, int], ...], ...]


def read(text: str, *, file: str) -> Jobs:
    """Return the jobs of a file.

    Raises:
        InvalidInput: names the line and the remedy.
    """
    header, *lines = split_rows(text, file=file)
    if len(header.fields) != 2:
        raise header.invalid(
            f"the header has {len(header.fields)} fields", "Start the file with the numbers of jobs and of machines."
        )
    jobs, machines = size_field(header, 0, "the number of jobs"), size_field(header, 1, "the number of machines")
    found = []
    for row in lines:
        if len(row.fields) != 2 * machines:
            raise row.invalid(
                f"the job has {len(row.fields)} numbers instead of {2 * machines}",
                "Write a machine and a duration for each machine; the file may be half-written.",
            )
        job = []
        for column in range(0, 2 * machines, 2):
            machine, duration = row.integer(column, "the machine"), row.integer(column + 1, "the duration")
            if not 0 <= machine < machines:
                raise row.invalid(f"there is no machine {machine}", f"Machines count from 0 to {machines - 1}.")
            if duration < 1:
                raise row.invalid(f"the duration {duration} is not 1 or more", "Give each operation some time.")
            job.append((machine, duration))
        if len({machine for machine, _ in job}) < machines:
            raise row.invalid("the job visits a machine twice", "Each job visits each machine once.")
        found.append(tuple(job))
    check_count(header, jobs, lines, "jobs")
    return tuple(found)
