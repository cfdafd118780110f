"""Run the test suite in other environments than the pinned one: other Pythons, or the newest release of every package.

Each environment lies in ``build/environments/NAME`` and is made anew. A Python that this machine does not have is skipped, and
said so loudly; the exit code is that of the worst run. Arguments after ``--`` go to pytest; without any, the whole suite runs::

    python tools/environments.py 3.12 3.13
    python tools/environments.py newest -- qhybrid_pipelines_tests/unit
    python tools/environments.py ibm-0.51 -- -m "clients or not clients" qhybrid_pipelines_tests/unit/execution/ibm

A name that is a file of ``constraints/`` takes its packages in the place of the pins.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "build" / "environments"
#: No pins of ours, and the upper bounds of `pyproject.toml` alone.
NEWEST = "newest"
#: As the Makefile puts it into every environment: tests make environments of their own with it.
UV = "uv>=0.8"
#: uv's settings, with the names by which pip has the same.
PIP_NAMES = {"SSL_CERT_FILE": "PIP_CERT", "UV_DEFAULT_INDEX": "PIP_INDEX_URL"}
WHOLE_SUITE = ("-n", "auto", "--dist", "loadfile", "--no-loadscope-reorder")


def main(arguments: list[str]) -> int:
    """Make and test the environments that are named; return the exit code."""
    names, options = arguments, list(WHOLE_SUITE)
    if "--" in arguments:
        where = arguments.index("--")
        names, options = arguments[:where], arguments[where + 1 :]
    if not names:
        print(__doc__)
        return 2
    outcomes = {name: test(name, options) for name in names}
    for name, outcome in outcomes.items():
        print(f"{name:8} {outcome if isinstance(outcome, str) else f'pytest ended with exit code {outcome}'}")
    return max((outcome for outcome in outcomes.values() if isinstance(outcome, int)), default=0)


def test(name: str, options: list[str]) -> int | str:
    """Return pytest's exit code in one environment, or why it was not run."""
    overrides = ROOT / "constraints" / f"{name}.txt"
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    wanted = here if name == NEWEST or overrides.is_file() else name
    interpreter = find_python(wanted)
    if interpreter is None:
        return f"SKIPPED LOUDLY: this machine has no Python {wanted}"
    folder = FOLDER / name
    python = folder / "bin" / "python"
    uv("venv", "--quiet", "--clear", "--python", interpreter, str(folder))
    pins = [] if name == NEWEST else ["--constraint", "constraints.txt"]
    if overrides.is_file():
        pins = ["--override", str(overrides), "--constraint", str(other_pins(overrides, folder))]
    uv("pip", "install", "--quiet", "--compile-bytecode", "--python", str(python), *pins, UV, "--editable", ".[test]")
    if name == NEWEST or overrides.is_file():
        print_newer_packages(python)
    environment = {key: value for key, value in os.environ.items() if key != "VIRTUAL_ENV"}
    # Tests start the installed commands by name.
    environment["PATH"] = f"{python.parent}{os.pathsep}{environment['PATH']}"
    return subprocess.run([python, "-m", "pytest", *options], cwd=ROOT, env=environment, check=False).returncode


def other_pins(overrides: Path, folder: Path) -> Path:
    """Return a file with the pins of all packages but those that are overridden."""
    names = {line.partition("==")[0] for line in overrides.read_text().splitlines() if "==" in line}
    pins = (ROOT / "constraints.txt").read_text().splitlines()
    kept = [line for line in pins if line.partition("==")[0] not in names]
    file = folder / "constraints.txt"
    file.write_text("\n".join([*kept, ""]))
    return file


def find_python(version: str) -> str | None:
    """Return the path of an interpreter on the search path or among pyenv's, which hides all but the chosen one."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    candidates = [shutil.which(f"python{version}"), *sorted(pyenv.glob(f"{version}.*/bin/python"), reverse=True)]
    return next((str(path) for path in candidates if path and runs(path, version)), None)


def runs(interpreter: str | Path, version: str) -> bool:
    """Tell whether an interpreter starts and is of a version: what is on the search path may be an empty shim."""
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    ended = subprocess.run([interpreter, "-c", code], capture_output=True, text=True, check=False)
    return ended.returncode == 0 and ended.stdout.strip() == version


def print_newer_packages(python: Path) -> None:
    """Name every package whose release differs from the pinned one."""
    pinned = dict(
        line.split("==") for line in (ROOT / "constraints.txt").read_text().split() if "==" in line and "#" not in line
    )
    listed = subprocess.run(
        [uv_path(), "pip", "freeze", "--python", str(python)], capture_output=True, text=True, check=True
    ).stdout.split()
    newer = [
        f"{name} {pinned[name]} -> {version}"
        for name, _, version in (line.partition("==") for line in listed)
        if name in pinned and version != pinned[name]
    ]
    print(f"{len(newer)} packages differ from constraints.txt: {', '.join(newer) or 'none'}", flush=True)


def uv(*arguments: str) -> None:
    """Run uv, which says itself what went wrong; it hears of an own certificate or index by the names that pip reads."""
    if subprocess.run([uv_path(), *arguments], cwd=ROOT, env=uv_settings(os.environ), check=False).returncode:
        raise SystemExit(f"uv {' '.join(arguments)} failed")


def uv_settings(environment: Mapping[str, str]) -> dict[str, str]:
    """Return an environment in which uv finds what pip was told, as the Makefile does it; its own settings win."""
    told = {name: environment.get(pip) for name, pip in PIP_NAMES.items()}
    return {name: value for name, value in told.items() if value} | dict(environment)


def uv_path() -> str:
    """Return uv's path: it was installed beside this interpreter."""
    return str(Path(sys.executable).with_name("uv"))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
