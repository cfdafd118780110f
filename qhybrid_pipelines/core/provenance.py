"""Where results come from: the code's revision, the versions of packages, the interpreter and the machine.

Read once per process, from installed metadata and from git; no package is imported for it.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from dataclasses import asdict, dataclass
from functools import cache
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any

from qhybrid_pipelines.core.canonical import canonical_json, sha256_hex

#: Packages whose version can change a number.
RESULT_AFFECTING_PACKAGES = (
    "dimod",
    "dwave-samplers",
    "networkx",
    "numpy",
    "ortools",
    "pennylane",
    "pennylane-qiskit",
    "pyarrow",
    "qhybrid-pipelines",
    "qiskit",
    "qiskit-aer",
    "qiskit-qasm3-import",
    "scikit-learn",
    "scipy",
)

GIT_TIMEOUT_SECONDS = 5
_HEADER_LINE = re.compile(r"^(Name|Version):[ \t]*(\S.*)$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """What runs here.

    Attributes:
        git_revision: commit of this code, where it runs from a checkout; else None.
        git_dirty: the package's folder in that checkout differs from the commit, new files included.
        packages: versions of the packages that decide results, as canonical JSON; those not installed are left out.
        packages_sha256: hash of all installed packages with their versions.
    """

    git_revision: str | None
    git_dirty: bool | None
    packages: str
    packages_sha256: str
    python: str
    platform: str

    def to_row(self) -> dict[str, Any]:
        """Return the columns of the table `provenance` that come from here."""
        return asdict(self)


@cache
def environment() -> Environment:
    """Return what runs here; the first call of a process takes some tenths of a second."""
    # The first one found is the one that would be imported.
    versions: dict[str, str] = {}
    for distribution in distributions():
        name, version = _name_and_version(distribution)
        if name:  # an interrupted uninstall leaves folders without metadata
            versions.setdefault(_canonical_name(name), version)
    revision, dirty = _git(Path(__file__).resolve().parents[1])
    return Environment(
        git_revision=revision,
        git_dirty=dirty,
        packages=canonical_json({name: versions[name] for name in RESULT_AFFECTING_PACKAGES if name in versions}),
        packages_sha256=sha256_hex("".join(f"{name}=={versions[name]}\n" for name in sorted(versions))),
        python=platform.python_version(),
        platform=platform.platform(),
    )


def _name_and_version(distribution: Distribution) -> tuple[str, str]:
    """Return a distribution's name and version, empty where it has no metadata.

    Two lines of a header: to have the library parse each file as an e-mail, three times, takes most of a second.
    """
    header = (distribution.read_text("METADATA") or distribution.read_text("PKG-INFO") or "").partition("\n\n")[0]
    found = dict(_HEADER_LINE.findall(header))
    if found.keys() >= {"Name", "Version"}:
        return found["Name"].strip(), found["Version"].strip()
    return (distribution.name, distribution.version) if distribution.name else ("", "")


def _canonical_name(name: str) -> str:
    """Return a distribution's name as package indexes compare it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _git(package: Path) -> tuple[str | None, bool | None]:
    """Return the commit of the checkout that holds ``package``, and whether the package differs from it.

    A package that is installed into an environment inside somebody else's checkout is not part of that checkout.
    """
    tracked = _run_git(package, "ls-files", "--error-unmatch", "__init__.py")
    status = _run_git(package, "status", "--porcelain=v2", "--branch", "--untracked-files=all", "--", ".")
    if tracked is None or status is None:
        return None, None
    head = re.search(r"^# branch\.oid ([0-9a-f]{40,64})$", status, re.MULTILINE)
    changed = any(line and not line.startswith("#") for line in status.splitlines())
    return (head.group(1), changed) if head else (None, None)


def _run_git(folder: Path, *arguments: str) -> str | None:
    """Return what git prints, or None where there is no git, no checkout, no permission or no answer in time."""
    git = shutil.which("git")
    if git is None:
        return None
    try:
        done = subprocess.run(  # noqa: S603 - a fixed command on this package's own folder
            [git, "-C", str(folder), *arguments],
            capture_output=True,
            text=True,
            timeout=GIT_TIMEOUT_SECONDS,
            check=True,
            # Inside a hook, git's own variables point at the hook's repository; and looking must not take the index
            # lock that a commit next door needs.
            env={name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
            | {"GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"},
        )
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return None
    return done.stdout
