"""Reports of real experiments: every family, learning, an own circuit, a failed and a running one; and what a browser says."""

from __future__ import annotations

import json
import re
from io import BytesIO
from xml.etree import ElementTree as ET

import pytest
import yaml

from qhybrid_pipelines.emulator.process import running_emulator
from qhybrid_pipelines.problems.registry import family_named
from qhybrid_pipelines.reports.page import chapters, figure_files, render_page
from qhybrid_pipelines.steps.on_demand.report import report_content
from qhybrid_pipelines_tests.support import experiment_homes
from qhybrid_pipelines_tests.support.browser import axe_violations, open_page
from qhybrid_pipelines_tests.support.emulator_client import Client
from qhybrid_pipelines_tests.support.family_cases import all_cases
from qhybrid_pipelines_tests.support.matrices import others_are_long
from qhybrid_pipelines_tests.support.report_pages import ReportPage, number
from qhybrid_pipelines_tests.support.user_circuits import V3

pytestmark = [pytest.mark.slow, experiment_homes.RUNS_IN_PROCESS]

SMALL = {"shots": 64, "repetitions": 3, "sweep": {"strategy": "fixed_angles", "points": 2}, "rounds": {"max": 1}}
PETERSEN = {"family": "maxcut", "source": "networkx:petersen"}
FAMILIES = [
    {**SMALL, "name": f"family {family.replace('_', ' ')}", "problem": {"family": family, "source": cases.first_source}}
    for family, cases in all_cases().items()
]
#: In the test command: a cut, constraints of one's own, and an answer that is an order.
FEW = [spec for spec in FAMILIES if spec["problem"]["family"] in {"maxcut", "binary_program", "vehicle_routing"}]
HOMES = {"a few families": FEW, "every family": FAMILIES}
#: The octahedron, which no rule reduces, and a circuit for it; the name of the file is markup and mathematics.
GRAPH = "6 12\n" + "".join(f"{i + 1} {j + 1} 1\n" for i in range(6) for j in range(i) if i + j != 5)
CIRCUIT = f"{V3}input float beta;\nqubit[6] q;\nbit[6] c;\nh q;\nrx(beta) q;\n" + "".join(
    f"c[{i}] = measure q[{i}];\n" for i in range(6)
)
ODD_NAME = "a<b>&$x$.mc"
OWN = {
    **SMALL,
    "name": "own circuit",
    "problem": {"family": "maxcut", "source": ODD_NAME, "circuit": "flat.qasm"},
    "sweep": {"strategy": "random", "points": 2},
}
LEARNING = {
    "kind": "qml",
    "name": "wines",
    "dataset": {"source": "sklearn:wine", "classes": [0, 1]},
    "models": ["variational"],
    "baselines": ["logistic_regression"],
    "folds": {"k": 2, "repeats": 1},
    "tuning": {"trials": 1},
    "training": {"layers": 1, "epochs": 2},
    "evaluation": {"shots": [None, 32], "backends": ["local:auto"]},
}
STUCK = {"route": "POST /jobs", "fault": "stuck"}
FAILED = {"route": "POST /jobs", "fault": "failed"}
QUEUED = {**SMALL, "name": "waits", "problem": PETERSEN, "backends": ["ionq:simulator", "local:auto"]}
LOST = {**SMALL, "name": "lost", "problem": PETERSEN, "backends": ["ionq:simulator"]}
NOT_BEGUN = {**SMALL, "name": "not begun", "problem": PETERSEN}


@pytest.fixture(scope="module", params=others_are_long([*HOMES], "a few families"))
def families(request):
    return HOMES[request.param]


@pytest.fixture(scope="module")
def made(tmp_path_factory, families):
    """The home, the keys by name, and the folder of the pages: one per experiment, and one of all."""
    folder = tmp_path_factory.mktemp("reports")
    (folder / ODD_NAME).write_text(GRAPH)
    (folder / "flat.qasm").write_text(CIRCUIT)
    with (
        running_emulator(folder / "cloud", key="reports-of-experiments", speed=600, seed=7) as emulator,
        pytest.MonkeyPatch.context() as patch,
    ):
        for name, value in {**emulator.environment, "IONQ_LISTING_LAG_SECONDS": "0.05"}.items():
            patch.setenv(name, value)
        launcher = experiment_homes.make_launcher(folder / "home")
        cloud = Client(emulator)
        experiment_homes.run(launcher, experiment_homes.register(launcher, [*families, OWN, LEARNING], folder))
        for spec, fault, wait in ((QUEUED, STUCK, False), (LOST, FAILED, True)):
            cloud.faults(fault)
            launcher.run(experiment_homes.register(launcher, [spec]), lambda stage, asset: None, wait=wait)
        experiment_homes.register(launcher, [NOT_BEGUN])
        workspace = experiment_homes.make_launcher(folder / "home").workspace
        contents = {
            key: report_content(key, workspace.specifications, workspace.lake, workspace.control_plane, workspace.home)
            for key in workspace.specifications
        }
        cloud.close()
    pages = folder / "pages"
    pages.mkdir()
    for key, content in contents.items():
        (pages / f"{key}.html").write_text(render_page(chapters([content])), encoding="utf-8")
    (pages / "all.html").write_text(render_page(chapters([*contents.values()])), encoding="utf-8")
    pair = [content for content in contents.values() if content.name in {QUEUED["name"], LOST["name"]}]
    (pages / "pair.html").write_text(render_page(chapters(pair)), encoding="utf-8")
    return folder / "home", {content.name: content for content in contents.values()}, pages


def page_of(made, name):
    content = made[1][name]
    return content.key, ReportPage((made[2] / f"{content.key}.html").read_text("utf-8"))


def same(text, value):
    """Tell whether a cell says what stands in a table, to the digits that are shown."""
    return number(text) == (None if value is None else pytest.approx(value, rel=1e-5, abs=1e-12))


@pytest.mark.parametrize(
    ("families", "name"),
    [
        pytest.param(home, spec["name"], marks=[pytest.mark.long] * (home == "every family"))
        for home, specs in HOMES.items()
        for spec in [*specs, OWN]
    ],
    indirect=["families"],
    scope="module",  # or each test would make a home of its own
)
def test_the_page_says_what_the_tables_say(made, name):
    home, (key, page) = made[0], page_of(made, name)

    def rows(sql):
        return experiment_homes.rows(home, sql.replace("KEY", f"'{key}'"))

    [comparison] = rows("SELECT * FROM baseline_comparisons WHERE experiment = KEY")
    shown = page.columns("results")[comparison["backend"]]
    assert shown["verdict"].startswith(comparison["verdict"].replace("_", " "))
    assert ("noise" in shown["verdict"]) == comparison["noise_like"]
    for column in ("best_quantum", "best_quantum_raw", "best_classical", "reference", "gain"):
        assert column not in shown or same(shown[column], comparison[column]), column
    assert comparison["reason"] in page.text
    if comparison["gain_low"] is not None:
        low, high = re.search(r"95 % interval (\S+) to (\S+), \d+ paired", page.text).groups()
        assert same(low, comparison["gain_low"])
        assert same(high, comparison["gain_high"])

    said = {variable for record in page.records("answer") for variable in record["variables"].split(", ")}
    answers = rows("SELECT variable, value FROM answers WHERE experiment = KEY ORDER BY position")
    zeros = family_named(made[1][name].instance["family"]).names_zeros
    assert said - {"", "\N{EN DASH}"} == {answer["variable"] for answer in answers if answer["value"] or zeros}
    ones = page.records("answer")[0]
    assert ones["number"] == str(sum(answer["value"] for answer in answers))

    steps = rows(
        "SELECT step_name, variables_fixed, variables_left, note FROM reduction_steps WHERE experiment = KEY ORDER BY step"
    )
    assert [
        (r[""], number(r["variables_fixed"]), number(r["variables_left"]), r["note"])
        for r in page.records("reduction_steps")
    ] == [tuple(step.values()) for step in steps]

    solvers = {record[""]: record for record in page.records("solvers")}
    for row in rows(
        "SELECT solver, avg(objective) AS mean, count(*) AS runs FROM baselines WHERE experiment = KEY AND feasible GROUP BY solver"
    ):
        assert same(solvers[row["solver"].replace("_", " ")]["mean"], row["mean"])

    [provenance] = rows("SELECT * FROM provenance WHERE experiment = KEY")
    assert page.facts("provenance_facts")["seed"] == str(provenance["seed"])
    assert page.columns("provenance")[comparison["backend"]].get("engine", provenance["engine"]) == provenance["engine"]
    assert yaml.safe_load(page.codes["specification"]) == json.loads(
        rows("SELECT specification FROM experiments WHERE experiment = KEY")[0]["specification"]
    )

    jobs = rows(
        "SELECT job_id, state, shots, quoted_usd, reconciled_usd FROM jobs JOIN costs USING (job_id) WHERE jobs.experiment = KEY"
    )
    if not jobs:
        assert "jobs" not in page.tables
        return
    assert {(r[""], r["state"], number(r["shots"])) for r in page.records("jobs")} == {
        (j["job_id"], j["state"], j["shots"]) for j in jobs
    }
    assert same(page.facts("costs")["reconciled_usd"], sum(job["reconciled_usd"] or 0 for job in jobs))

    points = rows("SELECT point, mean_energy FROM point_energies WHERE experiment = KEY ORDER BY mean_energy, point")
    assert [int(record["point"]) for record in page.records("points")] == [row["point"] for row in points]
    for record, row in zip(page.records("points"), points, strict=True):
        assert same(record["mean_energy"], row["mean_energy"])
    [top, *_] = rows(
        f"""SELECT bits, sum(count) AS shots FROM qpu_result_sets WHERE experiment = KEY AND point = {points[0]["point"]}
            GROUP BY bits ORDER BY shots DESC, bits"""
    )
    width = comparison["n_qubits"]
    assert (page.records("outcomes")[0]["bits"], number(page.records("outcomes")[0]["count"])) == (
        f"{top['bits']:0{width}b}"[::-1],
        top["shots"],
    )


def test_the_page_of_a_learning_experiment_says_what_its_tables_say(made):
    home, (key, page) = made[0], page_of(made, "wines")
    verdicts = experiment_homes.rows(home, f"SELECT * FROM qml_verdicts WHERE experiment = '{key}'")
    assert verdicts
    main = [verdict for verdict in verdicts if (verdict["side"], verdict["scope"]) == ("quantum", "all")]
    assert main
    assert [verdict["reason"] for verdict in main if verdict["reason"] not in page.text] == []
    records = sorted(
        (r[""], r["backend"], r["scope"], number(r["gain"]), r["verdict"]) for r in page.records("verdicts")
    )
    assert records == sorted(
        (
            v["model"],
            v["backend"] or "exact",
            v["scope"],
            pytest.approx(v["gain"], rel=1e-5),
            v["verdict"].replace("_", " "),
        )
        for v in verdicts
    )
    summaries = experiment_homes.rows(
        home, f"SELECT * FROM qml_summaries WHERE experiment = '{key}' AND metric = '{made[1]['wines'].metric}'"
    )
    assert sorted(number(record["mean"]) for record in page.records("summaries")) == pytest.approx(
        sorted(row["mean"] for row in summaries), rel=1e-5
    )
    [card] = experiment_homes.rows(home, f"SELECT * FROM qml_datasets WHERE experiment = '{key}'")
    assert number(page.facts("dataset")["n_rows"]) == card["n_rows"]
    assert "q[0]" in page.codes["circuit-variational"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (
            "waits",
            ("This experiment is not finished", "on ionq:simulator since", "There is no verdict on this backend yet."),
        ),
        ("lost", ("Something went wrong", "ended without a result, FAILED", "The machine failed during this job.")),
        (
            "not begun",
            ("This experiment is not finished", "Not done yet: reading the problem", "qhybrid run not-begun-"),
        ),
    ],
)
def test_what_is_not_finished_says_so(made, name, words):
    _, page = page_of(made, name)
    assert [word for word in words if word not in page.text] == []


def test_what_runs_shows_what_is_there_already(made):
    """One of its two backends is decided."""
    _, page = page_of(made, "waits")
    assert list(page.columns("results")) == ["local:auto"]
    assert {record["state"] for record in page.records("jobs")} > {"VERIFIED"}


def test_what_is_finished_says_nothing_about_its_progress(made, families):
    for name in (*(spec["name"] for spec in families), "own circuit", "wines"):
        _, page = page_of(made, name)
        assert "not finished" not in page.text, name
        assert "went wrong" not in page.text, name


def test_of_several_the_comparison_comes_first(made, families):
    page = ReportPage((made[2] / "all.html").read_text("utf-8"))
    contents = made[1]
    assert len(contents) == len(families) + len([OWN, LEARNING, QUEUED, LOST, NOT_BEGUN])
    assert next(iter(page.tables)) == "differences"
    assert [record[""] for record in page.records("differences")] == [content.key for content in contents.values()]
    found = {
        (row["experiment"], row["backend"]): row
        for row in experiment_homes.rows(made[0], "SELECT * FROM baseline_comparisons")
    }
    for record in page.records("comparison"):
        row = found.get((record[""], record["backend"]))
        assert record["verdict"].split(",")[0] == ("not decided" if row is None else row["verdict"].replace("_", " "))
        assert row is None or same(record["best_quantum"], row["best_quantum"])
    assert page.tags.count("article") == len(contents) + 1


def test_a_field_in_which_two_differ_is_shown_and_no_other(made):
    contents = [made[1][name] for name in ("waits", "lost")]
    page = ReportPage(render_page(chapters(contents)))
    assert [set(record) for record in page.records("differences")] == [{"", "name", "backends"}] * 2
    assert "They solve the same instance" in page.text


def test_every_page_is_whole_and_loads_nothing(made):
    for path in made[2].glob("*.html"):
        page = ReportPage(path.read_text("utf-8"))
        assert page.unclosed == []
        assert len(page.ids) == len(set(page.ids)), path.name
        assert {address[1:] for address in page.addresses} <= set(page.ids), path.name
        assert not {"script", "img", "link", "iframe", "object"} & set(page.tags)


def test_a_name_is_text_and_never_markup(made):
    _, page = page_of(made, "own circuit")
    assert ODD_NAME in page.codes["specification"]
    assert "b" not in page.tags


def test_figures_of_every_experiment_are_files_that_can_be_opened(made):
    from PIL import Image

    written = dict(figure_files(chapters([made[1]["own circuit"], made[1]["wines"]])))
    stems = {name.rpartition(".")[0] for name in written}
    assert {f"{stem}.{kind}" for stem in stems for kind in ("svg", "png")} == set(written)
    endings = {
        "sweep",
        "convergence",
        "solver-results",
        "outcomes",
        "objectives",
        "latency",
        "training",
        "model-scores",
        "circuit",
    }
    assert [ending for ending in endings if not any(stem.endswith(f"-{ending}") for stem in stems)] == []
    for name, content in written.items():
        if name.endswith("png"):
            with Image.open(BytesIO(content)) as picture:
                assert min(picture.size) > 100, name
        else:
            assert ET.fromstring(content).tag.endswith("svg")


@pytest.mark.acceptance
def test_in_a_browser_every_page_can_be_read_by_everybody(made):
    """No message, no request, nothing that axe-core finds, and nothing wider than a phone."""
    folder = made[2]
    # One page of each kind: axe-core needs a minute for the page of all, which has nothing that these do not have.
    kinds = ("family maxcut", "wines", "lost")
    looked_at = {folder / f"{made[1][name].key}.html" for name in kinds} | {folder / "pair.html"}
    with open_page(f"{folder.as_uri()}/") as page:
        messages, requests = [], []
        page.on("console", lambda message: messages.append(message.text))
        page.on("pageerror", lambda error: messages.append(str(error)))
        page.on("request", lambda request: requests.append(request.url))
        for path in sorted(folder.glob("*.html")):
            for scheme, width in (("light", 375), ("dark", 1280)):
                page.emulate_media(color_scheme=scheme)
                page.set_viewport_size({"width": width, "height": 800})
                page.goto(path.as_uri())
                assert page.evaluate("document.documentElement.scrollWidth") <= width, path.name
                if path in looked_at:
                    found = axe_violations(page)
                    assert [(v["id"], v["nodes"][0]["html"][:200]) for v in found] == [], (path.name, scheme, width)
        assert messages == []
        assert set(requests) == {path.as_uri() for path in folder.glob("*.html")}
        assert page.pdf().startswith(b"%PDF")
