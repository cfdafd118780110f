"""From a specification to its verdict: every family, a line of rounds, and an instance that reduction solves."""

import json

import dagster as dg
import pytest

from qhybrid_pipelines.core.vocabulary.verdicts import DecisionKind, Verdict
from qhybrid_pipelines.problems.registry import all_families, family_named
from qhybrid_pipelines.steps.on_demand.answers import named_answers
from qhybrid_pipelines.storage import schemas
from qhybrid_pipelines.storage.lake import Lake, PartitionKey
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines_tests.support import experiment_homes
from qhybrid_pipelines_tests.support.family_cases import all_cases

pytestmark = experiment_homes.RUNS_IN_PROCESS

SMALL = {"shots": 128, "repetitions": 2, "sweep": {"strategy": "fixed_angles", "points": 2}}
GENERATED_SET = {"generator": "random_graph", "nodes": 12, "probability": 0.5, "weighted": True, "seed": 3}
SPARSE_SET = {"generator": "random_graph", "nodes": 12, "probability": 0.15, "seed": 4}
PORTFOLIO = {"generator": "factor_model", "assets": 9, "cardinality": 4, "seed": 2}
SPLIT = {"generator": "random", "constraints": 2, "variables": 9, "seed": 5}
MATRIX = {"generator": "random", "variables": 40, "density": 0.8, "seed": 1}

#: A window of 4 qubits on 40 variables cannot hold the optimum, so each round moves the window on.
ROUNDS = 2
SPECS = [
    {**SMALL, "name": "cut", "problem": {"family": "maxcut", "source": "networkx:petersen"}},
    {**SMALL, "name": "set", "problem": {"family": "independent_set", "source": GENERATED_SET}},
    {**SMALL, "name": "solved", "problem": {"family": "independent_set", "source": SPARSE_SET}},
    {**SMALL, "name": "assets", "problem": {"family": "portfolio", "source": PORTFOLIO}},
    {**SMALL, "name": "split", "problem": {"family": "market_split", "source": SPLIT}},
    {
        **SMALL,
        "name": "matrix",
        "problem": {"family": "qubo", "source": MATRIX},
        "reduce": {"max_qubits": 4, "windows": 1},
        "rounds": {"max": ROUNDS},
    },
]
#: Every other family runs what its own cases begin with.
SPECS += [
    {**SMALL, "name": f"first-{family}", "problem": {"family": family, "source": cases.first_source}}
    for family, cases in all_cases().items()
    if family not in {spec["problem"]["family"] for spec in SPECS}
]


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """One home in which everything ran: its folder, the keys that were asked for, and all that came up."""
    home = tmp_path_factory.mktemp("whole") / "home"
    launcher = experiment_homes.make_launcher(home)
    asked = experiment_homes.register(launcher, SPECS)
    return home, asked, experiment_homes.run(launcher, asked)


def key_of(keys, name):
    return next(key for key in keys if key.startswith(f"{name}-"))


def test_every_family_got_a_verdict_in_words_of_the_house(ran):
    home, asked, known = ran
    found = experiment_homes.rows(home, "SELECT experiment, family, verdict, decision FROM verdicts")
    assert sorted(row["experiment"] for row in found) == sorted(known)
    assert set(asked) <= set(known)
    assert {row["family"] for row in found} == set(all_families())
    assert {row["verdict"] for row in found} <= set(Verdict)
    assert {row["decision"] for row in found} <= set(DecisionKind)


@pytest.mark.parametrize("table", ["scored_solutions", "baselines"])
def test_every_objective_follows_from_its_assignment(ran, table):
    rows, wrong = experiment_homes.recompute_objectives(ran[0], table)
    assert rows > 50
    assert wrong == []


def test_no_answer_beats_a_proved_optimum(ran):
    beaten = experiment_homes.rows(
        ran[0],
        """SELECT experiment, objective, optimum FROM baseline_comparisons JOIN scored_solutions USING (experiment, backend)
           WHERE feasible AND optimum IS NOT NULL
             AND (CASE sense WHEN 'max' THEN objective - optimum ELSE optimum - objective END) > 1e-9 * (1 + abs(optimum))""",
    )
    assert beaten == []


def test_the_answer_in_words_is_the_one_that_the_problem_itself_values(ran):
    """The view and the command name the same variables; the family's definition, written anew, gives their objective."""
    home, _, known = ran
    lake, workspace = Lake(Home(home)), experiment_homes.make_launcher(home).workspace
    columns = "experiment, backend, source, variable, value, meaning, feasible"
    view = experiment_homes.rows(home, f"SELECT {columns} FROM answers ORDER BY experiment, backend, position")
    found = [answer for key in sorted(known) for answer in named_answers(key, workspace.specifications, workspace.lake)]
    assert [row for answer in found for row in answer.rows()] == view
    for answer in found:
        (row,) = lake.read(schemas.PROBLEM_INSTANCES, PartitionKey(experiment=answer.experiment)).to_pylist()
        value = all_cases()[row["family"]].definition(
            json.loads(row["payload"]), [variable["value"] for variable in answer.variables]
        )
        assert (answer.objective, answer.feasible) == (pytest.approx(value[0], abs=1e-9), value[1])
        assert (answer.violation == "") == answer.feasible or row["family"] == "market_split"
        named = {v["variable"] for v in answer.variables if v["value"] or family_named(row["family"]).names_zeros}
        assert sorted(name for _, names in answer.groups for name in names) == sorted(named)


def test_every_asset_check_ran_and_passed(ran):
    home, _, known = ran
    instance = experiment_homes.make_launcher(home).instance
    runs = instance.get_runs()
    assert [run.status for run in runs] == [dg.DagsterRunStatus.SUCCESS] * (2 * len(known) + 1)
    evaluations = [
        record.event_log_entry.dagster_event.asset_check_evaluation_data
        for run in runs
        for record in instance.get_records_for_run(
            run.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION
        ).records
    ]
    assert [(e.asset_check_key.to_user_string(), e.description) for e in evaluations if not e.passed] == []
    graph = experiment_homes.make_launcher(home).definitions.resolve_asset_graph()
    others = ("qml_", "sampling_")  # learning and sampling have runs of their own
    optimisation = {key for key in graph.asset_check_keys if not key.asset_key.path[0].startswith(others)}
    assert {evaluation.asset_check_key for evaluation in evaluations} == optimisation


def test_a_continued_experiment_gets_its_next_rounds_by_itself_and_no_more_than_it_may_have(ran):
    home, asked, known = ran
    first = key_of(asked, "matrix")
    rounds = experiment_homes.rows(
        home,
        f"""SELECT experiment, e.round, parent, decision, next_experiment, incumbent_objective, final_objective
            FROM experiments e JOIN decisions USING (experiment) JOIN reduced_models USING (experiment)
            WHERE e.root = '{first}' ORDER BY e.round""",
    )
    assert [row["round"] for row in rounds] == list(range(1, ROUNDS + 1))
    assert [row["decision"] for row in rounds[:-1]] == [DecisionKind.CONTINUE] * (ROUNDS - 1)
    assert rounds[-1]["decision"] != DecisionKind.CONTINUE
    assert [row["next_experiment"] for row in rounds] == [row["experiment"] for row in rounds[1:]] + [None]
    assert [row["parent"] for row in rounds] == [None] + [row["experiment"] for row in rounds[:-1]]
    assert {row["experiment"] for row in rounds} == {key for key in known if key.startswith("matrix-")}
    incumbents = [row["incumbent_objective"] for row in rounds]
    assert incumbents == sorted(incumbents, reverse=True)  # minimised: a round never starts worse than the one before


def test_what_reduction_solves_is_not_sent_anywhere_and_leaves_empty_tables_with_types(ran):
    home, asked, _ = ran
    key = key_of(asked, "solved")
    [row] = experiment_homes.rows(home, f"SELECT verdict, decision, n_qubits FROM verdicts WHERE experiment = '{key}'")
    assert row == {"verdict": "solved_by_reduction", "decision": "accept", "n_qubits": 0}
    assert experiment_homes.rows(home, f"SELECT * FROM jobs WHERE experiment = '{key}'") == []
    lake, partition = Lake(Home(home)), PartitionKey(experiment=key, backend="local:auto")
    for table in (
        schemas.CIRCUIT_BATCHES,
        schemas.QPU_SUBMISSIONS,
        schemas.QPU_RESULT_SETS,
        schemas.POINT_SCORES,
        schemas.SCORED_SOLUTIONS,
    ):
        assert lake.exists(table, partition)
        data = lake.read(table, partition)
        assert (data.num_rows, data.schema) == (0, table.schema)


def test_the_same_specifications_again_run_nothing(ran):
    home, asked, known = ran
    launcher = experiment_homes.make_launcher(home)
    before = (
        launcher.instance.get_runs_count(),
        experiment_homes.read_jobs(home),
        launcher.workspace.home.warehouse.stat(),
    )
    assert experiment_homes.register(launcher, SPECS) == asked
    assert sorted(experiment_homes.run(launcher, asked)) == sorted(known)
    assert (
        launcher.instance.get_runs_count(),
        experiment_homes.read_jobs(home),
        launcher.workspace.home.warehouse.stat(),
    ) == before


def test_one_job_in_the_ledger_for_each_execution_that_was_measured(ran):
    home = ran[0]
    measured = experiment_homes.rows(home, "SELECT experiment, backend FROM circuit_batches")
    jobs = [(job["experiment"], job["backend"]) for job in experiment_homes.read_jobs(home)]
    assert sorted(jobs) == sorted((row["experiment"], row["backend"]) for row in measured)
