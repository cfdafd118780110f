"""What the pages under docs/ show is true: examples are registered, diagrams and defaults are the current ones, links lead somewhere."""

import re
from pathlib import Path

import pytest

from qhybrid_pipelines.control.control_plane import ControlPlane
from qhybrid_pipelines.control.experiments.registration import Registration
from qhybrid_pipelines.control.ledger.lifecycle_tables import event_table, mermaid, state_table, stuck_table
from qhybrid_pipelines.core.specifications.experiment_specification import RoundsSpec
from qhybrid_pipelines.core.vocabulary.verdicts import decision_table, sampling_verdict_table, verdict_table
from qhybrid_pipelines.problems.experiment_page import commented_experiment, with_generated_parts
from qhybrid_pipelines.problems.graph_sources import GRAPH_FORMATS
from qhybrid_pipelines.problems.graphs import NETWORKX_GRAPHS
from qhybrid_pipelines.problems.registry import all_families
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines.storage.specifications import Specifications

ROOT = Path(__file__).resolve().parents[2]
PAGES = [*sorted(ROOT.glob("*.md")), ROOT / "data" / "README.md", *sorted(ROOT.glob("docs/*.md"))]
TEXTS = {
    page.name if page.parent == ROOT / "docs" else str(page.relative_to(ROOT)): page.read_text("utf-8")
    for page in PAGES
}
EXPERIMENTS = TEXTS["experiments.md"]

SPECIFICATIONS = [
    pytest.param(block, id=re.match(r"name: *([^#\n]*)", block)[1].strip())
    for text in TEXTS.values()
    for block in re.findall(r"```ya?ml\n(name:.*?)```", text, re.DOTALL)
]
#: Files shown on the page: the name stands in a line of its own above the block.
FILES = dict(re.findall(r"^`([\w.-]+)`:\n\n```text\n(.*?)```", EXPERIMENTS, re.DOTALL | re.MULTILINE))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder with every file that the page shows."""
    folder = tmp_path_factory.mktemp("shown")
    for name, content in FILES.items():
        (folder / name).write_text(content, encoding="utf-8")
    return folder


@pytest.fixture
def registration(tmp_path):
    home = Home(tmp_path).make()
    return Registration(Specifications(home), ControlPlane(home).backends)


@pytest.mark.parametrize("text", SPECIFICATIONS)
def test_a_specification_on_a_page_is_taken_in(text, registration, folder):
    assert all(one.new for one in registration.register_texts(text, file="page", folder=folder))


def formats(family) -> list[str]:
    return [*family.parsers, *family.binary_parsers, *family.file_suffixes]


def test_every_file_on_the_page_is_used_and_every_format_is_shown(registration, folder):
    for name in FILES:
        if name.endswith(".yaml") or re.search(rf"(source|circuit|file): {re.escape(name)}\b", EXPERIMENTS):
            continue
        registered = registration.register_file(folder / name)
        assert (registered.specification.shots, registered.specification.rounds) == (256, RoundsSpec())
    for family in all_families().values():
        _, _, below = EXPERIMENTS.partition(f"\n### {family.name}: ")
        section = below.split("\n### ")[0].split("\n## ")[0]
        if family.parsers.keys() == GRAPH_FORMATS and section:
            section += EXPERIMENTS.partition("\n### Graph files")[2].split("\n### ")[0]
        for word in (*formats(family), *family.generators) if section else ():
            assert f"`{word}`" in section, f"the section of family {family.name} does not name `{word}`"


def test_families_baselines_and_defaults_on_the_page_are_those_that_are_there():
    made = with_generated_parts(EXPERIMENTS)
    assert made == EXPERIMENTS, "run python -m qhybrid_pipelines.problems.experiment_page"
    for family in all_families().values():
        [row] = [line for line in made.splitlines() if line.startswith(f"| `{family.name}` |")]
        if family.parsers.keys() == GRAPH_FORMATS:
            row += next(line for line in made.splitlines() if line.startswith("Graph formats: "))
        missing = [w for w in (*formats(family), *family.generators) if f"`{w}`" not in row]
        assert missing == [], family.name


def test_the_page_names_every_graph_and_shows_the_current_defaults():
    assert f"NetworkX ships: {', '.join(NETWORKX_GRAPHS)} |" in EXPERIMENTS
    assert f"```yaml\n{commented_experiment()}```" in EXPERIMENTS


def test_the_life_of_a_job_is_drawn_from_the_table():
    assert f"```mermaid\n{mermaid()}```" in TEXTS["architecture.md"], (
        "paste the output of control.ledger.lifecycle_tables.mermaid()"
    )


@pytest.mark.parametrize(
    ("page", "table"),
    [
        ("architecture.md", state_table),
        ("architecture.md", event_table),
        ("runbook.md", stuck_table),
        ("experiments.md", verdict_table),
        ("experiments.md", decision_table),
        ("sampling.md", sampling_verdict_table),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_states_events_verdicts_and_decisions_are_explained_by_the_code(page, table):
    assert f"\n\n{table()}\n" in TEXTS[page], f"paste the output of {table.__module__}.{table.__name__}()"


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    text = re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", text):
        assert target.startswith("https://") or (page.parent / target).exists(), target


def test_the_tests_that_keep_a_kind_of_fault_away_are_there():
    named = re.findall(r"`([\w/]+\.py)`", TEXTS["faults.md"])
    assert len(named) > 30
    assert [name for name in named if not (ROOT / "qhybrid_pipelines_tests" / name).is_file()] == []


def test_every_place_under_the_home_folder_is_explained():
    named = [path.name for path in Home(Path("home")).folders]
    assert [
        name for name in (*named, "ledger.db", "warehouse.duckdb") if f"`{name}" not in TEXTS["data/README.md"]
    ] == []
