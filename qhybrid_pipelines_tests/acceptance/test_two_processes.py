"""Two `qhybrid run` in one home, on different experiments, while analysts read: nobody waits, nobody fails.

`test_snapshot_isolation` shows the same of the storage alone, with tables that make a torn read visible.
"""

import time

import pytest
import yaml

from qhybrid_pipelines.storage import analyst
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines_tests.support import experiment_homes

pytestmark = [pytest.mark.acceptance, pytest.mark.slow, experiment_homes.RUNS_IN_PROCESS]

SMALL = {"shots": 128, "repetitions": 2, "sweep": {"strategy": "fixed_angles", "points": 2}, "rounds": {"max": 1}}
GRAPHS = {"seen": "networkx:cubical", "left": "networkx:petersen", "right": "networkx:octahedral"}
TIMEOUT_SECONDS = 150
PAUSE_SECONDS = 0.25  # so that the reader leaves some of a small machine to the writers

#: What one experiment left, over many tables at once: a torn snapshot would show as a difference.
CONSISTENCY_QUERY = """
SELECT v.experiment, e.points * e.repetitions * e.shots AS asked,
       (SELECT sum(count) FROM qpu_result_sets c WHERE c.experiment = v.experiment) AS counted,
       (SELECT sum(shots) FROM point_scores p WHERE p.experiment = v.experiment) AS scored,
       (SELECT count(*) FROM decisions d WHERE d.experiment = v.experiment) AS decided,
       (SELECT count(DISTINCT solver) FROM baselines b WHERE b.experiment = v.experiment) AS solvers
FROM verdicts v JOIN experiments e USING (experiment) ORDER BY v.experiment
"""


def test_two_runs_in_one_home_under_the_eyes_of_analysts(tmp_path):
    home = tmp_path / "home"
    files = {}
    for name, source in GRAPHS.items():
        files[name] = tmp_path / f"{name}.yaml"
        files[name].write_text(
            yaml.safe_dump({**SMALL, "name": name, "problem": {"family": "maxcut", "source": source}})
        )
    launcher = experiment_homes.make_launcher(home)
    experiment_homes.run(launcher, [launcher.workspace.registration.register_file(files["seen"]).key])

    with analyst.connect(Home(home)) as held:
        before = held.execute(CONSISTENCY_QUERY).fetchall()
        runs = [experiment_homes.command("run", files[name], "--home", home) for name in ("left", "right")]
        seen, reads, deadline = set(), 0, time.monotonic() + TIMEOUT_SECONDS
        while any(run.poll() is None for run in runs):
            assert time.monotonic() < deadline
            assert held.execute(CONSISTENCY_QUERY).fetchall() == before
            now = experiment_homes.rows(home, CONSISTENCY_QUERY)
            for row in now:
                assert row["asked"] == row["counted"] == row["scored"], row
                assert row["solvers"] >= 5, row
                # The other run may be between its verdict and its decision at the moment that a snapshot shows.
                assert row["decided"] <= 1, row
            assert seen <= {row["experiment"] for row in now}
            seen |= {row["experiment"] for row in now}
            reads += 1
            time.sleep(PAUSE_SECONDS)
        ends = [(run.returncode, run.communicate()[0]) for run in runs]
        assert [code for code, _ in ends] == [0, 0], ends
        assert held.execute(CONSISTENCY_QUERY).fetchall() == before
        assert len(before) == 1

    verdicts = experiment_homes.rows(home, "SELECT name, verdict FROM verdicts ORDER BY name")
    assert [row["name"] for row in verdicts] == ["left", "right", "seen"]
    assert [row["decided"] for row in experiment_homes.rows(home, CONSISTENCY_QUERY)] == [1, 1, 1]
    assert experiment_homes.make_launcher(home).workspace.control_plane.ledger.verify_chain().is_intact
    print(f"{reads} reads of the newest snapshot, each with {reads} of the held one; {len(seen)} experiments seen")
