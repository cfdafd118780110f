"""The pages of a real service: signing in, what each of two callers sees, forms of other sites, and a walk in a real browser."""

from __future__ import annotations

import json
import os
import re
import subprocess
from html import unescape
from pathlib import Path

import httpx
import pytest

from qhybrid_pipelines.control.ledger.lifecycle import Event
from qhybrid_pipelines.control.ledger.sql_ledger import SqlLedger
from qhybrid_pipelines_tests.acceptance.test_service_keys import Tenants, make_key
from qhybrid_pipelines_tests.support.browser import assert_spoken_in_order, axe_violations, open_page
from qhybrid_pipelines_tests.support.ledger_plans import apply_events, plan
from qhybrid_pipelines_tests.support.running_service import COMMAND, RunningService, is_problem

pytestmark = [pytest.mark.slow, pytest.mark.acceptance]
#: A folder for the pictures of the documentation; without it none are kept.
PICTURES = os.environ.get("QHYBRID_TEST_PICTURES")


@pytest.fixture(scope="module")
def tenants(tmp_path_factory):
    made = Tenants(tmp_path_factory.mktemp("pages") / "home")
    made.keys["approver"] = make_key(made.home, "approver", "approve", "operate")[0]
    made.experiments = {
        name: made.post(name, f"p-{name}", seed=seed).json()["experiment"] for seed, name in enumerate(("ada", "bob"))
    }
    for key in made.experiments.values():
        wait_registered(made, key)
    ledger = SqlLedger.open_sqlite(made.home / "ledger.db")
    for name, key in made.experiments.items():
        job = ledger.plan(plan(f"{name}1", experiment=key, principal=name, quote=1.5, budget=9.0))
        apply_events(ledger, job, Event.ACKNOWLEDGE, Event.QUEUE, provider_job_id=f"v-{name}")
        waits = (Event.PLAN, Event.REQUEST_APPROVAL)
        ledger.plan(plan(f"{name}2", experiment=key, principal=name, quote=2.25, budget=9.0, events=waits))
    ledger.close()
    yield made
    made.service.stop()


def wait_registered(tenants, key: str) -> None:
    with tenants.client("root") as client:
        while client.get(f"/v1/experiments/{key}").json()["state"] == "accepted":
            pass


class Browser(httpx.Client):
    """A client with a jar of cookies that sends the forms of pages, as a browser without scripts does."""

    def __init__(self, tenants) -> None:
        self.origin = tenants.service.url.replace("0.0.0.0", "127.0.0.1")
        super().__init__(base_url=self.origin, timeout=60.0, trust_env=False, follow_redirects=True)

    def sign_in(self, key: str) -> httpx.Response:
        return self.post("/pages/sign-in", data={"key": key}, headers={"origin": self.origin})

    def send_form(self, page: httpx.Response, action: str, **fields: str) -> httpx.Response:
        """Send the form with an action that a page has."""
        form = next(one for one in re.findall(r"<form.*?</form>", page.text, re.DOTALL) if f'action="{action}"' in one)
        hidden = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', form))
        return self.post(action, data=hidden | fields, headers={"origin": self.origin})


@pytest.fixture
def browser(tenants):
    with Browser(tenants) as made:
        yield made


def text_of(page: httpx.Response) -> str:
    return unescape(re.sub(r"<[^>]+>", " ", page.text))


def test_signing_in_and_out(tenants, browser):
    asked = browser.get("/pages")
    assert asked.url.path == "/pages/sign-in"
    assert "autocomplete" in asked.text
    for wrong in ("", "qh_dev_0_0_0", tenants.keys["ada"][:-1] + "x"):
        refused = browser.sign_in(wrong)
        assert (refused.status_code, browser.cookies.get("qhybrid_session")) == (401, None)
        assert wrong not in refused.text or not wrong
    page = browser.sign_in(tenants.keys["ada"])
    assert page.url.path == "/pages"
    assert tenants.keys["ada"] not in page.text + str(page.url) + tenants.service.log
    [cookie] = page.history[0].headers.get_list("set-cookie")
    assert all(word in cookie for word in ("HttpOnly", "SameSite=strict", "Path=/pages"))
    assert tenants.keys["ada"] not in cookie
    for header in ("content-security-policy", "x-frame-options", "referrer-policy"):
        assert page.headers[header]
    assert page.headers["cache-control"] == "no-store"
    old = browser.cookies.get("qhybrid_session")
    assert browser.send_form(page, "/pages/sign-out").url.path == "/pages/sign-in"
    browser.cookies.set("qhybrid_session", old, path="/pages")
    assert browser.get("/pages").url.path == "/pages/sign-in"


def test_two_callers_see_their_own_work_only(tenants, browser):
    page = browser.sign_in(tenants.keys["ada"])
    own, others = tenants.experiments["ada"], tenants.experiments["bob"]
    assert own in page.text
    for path in ("/pages", f"/pages?text={others}", "/pages?state=QUEUED", "/pages?backend=v:d"):
        assert "j-bob1" not in browser.get(path).text
    assert "all 2" in text_of(page)
    for path in (f"/pages/experiments/{others}", "/pages/experiments/nothing-0000000000000000"):
        assert browser.get(path).status_code == 404
    assert browser.get("/pages/operations").status_code == 403
    # A cookie is for the pages only: the interface takes keys.
    assert browser.get("/v1/experiments").status_code == 401


def test_an_experiment_says_where_it_stands_and_what_it_costs(tenants, browser):
    browser.sign_in(tenants.keys["ada"])
    words = " ".join(text_of(browser.get(f"/pages/experiments/{tenants.experiments['ada']}")).split())
    for part in (
        "needs a person",
        "$3.75 for 2 jobs",
        "0 jobs of this home are before it on v:d",
        "not known: only 0 jobs on v:d have a result",
        "JobQueued",
        "v-ada",
        "curl -s http://127.0.0.1",
        '"Authorization: Bearer $QHYBRID_SERVICE_KEY"',
        "Nothing is decided yet.",
    ):
        assert part in words, part
    assert "Approve at" not in words  # ada has no key that approves


def test_a_decided_experiment_shows_its_verdict_its_answer_and_its_time(tenants, browser):
    key = tenants.post("ada", "p-decided", seed=7).json()["experiment"]
    wait_registered(tenants, key)
    browser.sign_in(tenants.keys["ada"])
    assert "without a job yet: 1" in text_of(browser.get("/pages"))
    subprocess.run([COMMAND, "run", key, "--home", str(tenants.home)], check=True, capture_output=True)
    assert "without a job yet" not in text_of(browser.get("/pages"))
    page = browser.get(f"/pages/experiments/{key}")
    words = " ".join(text_of(page).split())
    [verdict] = tenants.get("ada", f"/v1/experiments/{key}/results").json()["verdicts"]
    for part in (
        "decided Nothing is left to be done",
        verdict["verdict"],
        "JobVerified",
        "charged $0.00",
        "local:auto",
    ):
        assert part in words, part
    assert "Answer" in words
    if PICTURES:
        take_picture(tenants, "ada", f"/pages/experiments/{key}", "experiment")
    # Its report is for the same eyes, in the browser and for programs.
    report = browser.get(re.search(r'<a href="([^"]+/report)"', page.text)[1])
    assert report.status_code == 200
    assert (key in report.text, "<svg" in report.text, str(tenants.home) in report.text) == (True, True, False)
    assert "script-src" not in report.headers["content-security-policy"]
    assert "default-src 'none'" in report.headers["content-security-policy"]
    assert tenants.get("ada", f"/v1/experiments/{key}/report").text == report.text
    assert is_problem(tenants.get("bob", f"/v1/experiments/{key}/report"), 404, "not-found")
    with Browser(tenants) as bob:
        bob.sign_in(tenants.keys["bob"])
        for path in ("report", "updates"):
            assert bob.get(f"/pages/experiments/{key}/{path}").status_code == 404
    with Browser(tenants) as nobody:
        for path in ("report", "updates"):
            assert nobody.get(f"/pages/experiments/{key}/{path}").url.path == "/pages/sign-in"
    # It changes no more by itself: nothing is listened to.
    assert "data-stream" not in page.text
    assert browser.get(f"/pages/experiments/{key}/updates").text.endswith("event: end\ndata: {}\n\n")


def test_the_command_of_the_page_runs_as_it_stands(tenants, browser):
    browser.sign_in(tenants.keys["ada"])
    page = browser.get(f"/pages/experiments/{tenants.experiments['ada']}")
    command = unescape(re.search(r'<code id="command">(.*?)</code>', page.text, re.DOTALL)[1])
    done = subprocess.run(
        ["bash", "-c", command],
        env={**os.environ, "QHYBRID_SERVICE_KEY": tenants.keys["ada"]},
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout)["experiment"] == tenants.experiments["ada"]
    # Behind another name stands a proxy that speaks TLS: a key does not travel in the open.
    elsewhere = browser.get(page.url.path, headers={"host": "qhybrid.example.org"})
    assert "curl -s https://qhybrid.example.org/v1/experiments/" in elsewhere.text


def test_an_open_page_changes_without_being_loaded_again(tenants):
    """With its script: a job moves on, and the page says so; what a person is writing stays; then the stream ends with the experiment."""
    key = tenants.post("ada", "p-live", seed=11).json()["experiment"]
    wait_registered(tenants, key)
    ledger = SqlLedger.open_sqlite(tenants.home / "ledger.db")
    job = ledger.plan(plan("live1", experiment=key, principal="ada", quote=1.5, budget=9.0))
    asks = (Event.PLAN, Event.REQUEST_APPROVAL)
    waits = ledger.plan(plan("live2", experiment=key, principal="ada", quote=2.5, budget=9.0, events=asks))
    with open_page(tenants.service.url.replace("0.0.0.0", "127.0.0.1")) as page:
        refused: list[str] = []
        page.on("console", lambda said: refused.append(said.text) if "Content Security Policy" in said.text else None)
        page.goto("/pages")
        page.get_by_label("Key").fill(tenants.keys["approver"])
        page.get_by_role("button", name="Sign in").click()
        page.goto(f"/pages/experiments/{key}")
        page.get_by_text("This page changes by itself.").wait_for()
        page.evaluate("window.stayed = true")
        apply_events(ledger, job, Event.ACKNOWLEDGE, Event.QUEUE, provider_job_id="v-live1")
        page.get_by_text("v-live1").wait_for()
        # Half a reason is written while the other job moves on.
        page.get_by_label("Reason").press_sequentially("too d")
        version = "document.getElementById('updates').dataset.version"
        before = page.evaluate(version)
        apply_events(ledger, ledger.job(job.job_id), Event.START)
        page.wait_for_function(f"before => {version} !== before", arg=before)
        assert page.get_by_label("Reason").input_value() == "too d"
        page.get_by_label("Reason").press_sequentially("ear")
        page.get_by_role("button", name="Decline").focus()
        assert page.get_by_label("Reason").input_value() == "too dear"
        page.get_by_role("link", name="Look again").focus()
        page.locator("#j-live1").get_by_text("running").first.wait_for()
        assert page.evaluate("window.stayed")
        assert tenants.get("ada", f"/v1/jobs/{waits.job_id}").json()["state"] == "AWAITING_APPROVAL"
        # Nothing but the page's own script is run, and nobody else is asked.
        assert refused == []
        page.evaluate(
            "document.body.append(Object.assign(document.createElement('script'), {text: 'window.foreign = 1'}))"
        )
        page.evaluate(
            "document.body.append(Object.assign(document.createElement('script'), {src: '/pages/pages.css'}))"
        )
        page.wait_for_timeout(200)
        assert page.evaluate("window.foreign") is None
        assert len(refused) == 2
        if PICTURES:
            page.screenshot(path=Path(PICTURES) / "service-experiment-live.png")
        with tenants.client("ada") as client:
            assert client.post(f"/v1/experiments/{key}/cancel").status_code == 200
        page.locator("#state").get_by_text("stopped").wait_for()
        page.get_by_text("This page changes by itself.").wait_for(state="hidden")
        page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        page.get_by_role("button", name="Copy").click()
        page.get_by_role("button", name="Copied").wait_for()
        copied = page.evaluate("navigator.clipboard.readText()")
        assert copied == page.locator("#command").text_content()
    ledger.close()


def take_picture(tenants, name: str, path: str, picture: str) -> None:
    with open_page(tenants.service.url.replace("0.0.0.0", "127.0.0.1")) as page:
        page.set_viewport_size({"width": 1100, "height": 1200})
        page.goto("/pages")
        page.get_by_label("Key").fill(tenants.keys[name])
        page.get_by_role("button", name="Sign in").click()
        page.goto(path)
        page.screenshot(path=Path(PICTURES) / f"service-{picture}-decided.png")


def test_filters_act_together_and_stand_in_the_address(tenants, browser):
    browser.sign_in(tenants.keys["root"])
    page = browser.get("/pages", params={"state": "QUEUED", "text": "ADA"})
    assert ("j-ada1" in page.text, "j-ada2" in page.text, "j-bob1" in page.text) == (True, False, False)
    assert '<option value="QUEUED" selected>' in page.text
    assert 'value="ADA"' in page.text
    assert "/pages?text=ADA&amp;state=AWAITING_APPROVAL" in page.text
    assert browser.get("/pages", params={"text": "<script>"}).text.count("<script>") == 0
    assert browser.get("/pages?cursor=x").status_code == 400


def test_forms_of_other_sites_and_sessions_do_nothing(tenants, browser):
    browser.sign_in(tenants.keys["ada"])
    path = f"/pages/experiments/{tenants.experiments['ada']}"
    page = browser.get(path)
    token = re.search(r'name="form_token" value="([^"]+)"', page.text)[1]
    with Browser(tenants) as other:
        other.sign_in(tenants.keys["ada"])
        foreign = re.search(r'name="form_token" value="([^"]+)"', other.get(path).text)[1]
    for data, headers in (
        ({"other": "field"}, {}),
        ({"form_token": foreign}, {}),
        ({"form_token": token}, {"origin": "https://evil.example"}),
        ({"form_token": token}, {"sec-fetch-site": "cross-site"}),
    ):
        assert browser.post(f"{path}/cancel", data=data, headers=headers).status_code == 403
    assert browser.post(f"{path}/cancel", json={"form_token": token}).status_code == 400
    assert browser.post(f"{path}/cancel", data={"form_token": token, "x": "y" * 9000}).status_code == 413
    assert "stopped" not in browser.get(path).text
    # bob's own form does nothing to what is ada's.
    with Browser(tenants) as bob:
        bob.sign_in(tenants.keys["bob"])
        own = re.search(r'name="form_token" value="([^"]+)"', bob.get("/pages").text)[1]
        assert bob.post(f"{path}/cancel", data={"form_token": own}).status_code == 404
        assert bob.post("/pages/jobs/j-ada1/cancel", data={"form_token": own}).status_code == 404
        assert (
            bob.post("/pages/jobs/j-ada2/approve", data={"form_token": own, "cost_quoted_usd": "2.25"}).status_code
            == 403
        )


def test_a_key_that_is_taken_back_ends_its_sessions(tenants, browser):
    key, key_id = make_key(tenants.home, "leaver", "read")
    browser.sign_in(key)
    assert browser.get("/pages").url.path == "/pages"
    subprocess.run([COMMAND, "keys", "revoke", key_id, "--home", str(tenants.home)], check=True, capture_output=True)
    assert browser.get("/pages").url.path == "/pages/sign-in"


def test_a_walk_in_a_real_browser_without_scripts(tenants):
    """Every page: nothing that axe-core finds, nothing asked of another machine, and what is decided is in the ledger."""
    address, own = tenants.service.url.replace("0.0.0.0", "127.0.0.1"), tenants.experiments["bob"]

    def check(page, name: str) -> None:
        assert axe_violations(page) == [], name
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), name
        if PICTURES:
            page.screenshot(path=Path(PICTURES) / f"service-{name}.png")

    with open_page(address) as page:
        page.set_viewport_size({"width": 1200, "height": 800})
        page.goto("/pages")
        check(page, "sign-in")
        page.get_by_label("Key").fill(tenants.keys["approver"])
        page.get_by_role("button", name="Sign in").click()
        page.get_by_role("heading", name="Jobs").wait_for()
        check(page, "jobs")
        assert_spoken_in_order(
            page,
            'link "Skip to the content"',
            'navigation "Pages"',
            "main",
            'heading "Jobs" [level=1]',
            'combobox "State"',
            'textbox "Backend"',
            'textbox "Experiment, job or name"',
            'button "Show"',
            'list "Jobs by state"',
            'region "Jobs"',
            *(f'columnheader "{name}"' for name in ("Experiment", "Job", "Backend", "State", "Asked by", "Quoted")),
            f'rowheader "{own}"',
        )
        page.get_by_role("combobox", name="State").select_option("AWAITING_APPROVAL")
        page.get_by_label("Experiment, job or name").fill("bob")
        page.get_by_role("button", name="Show").click()
        page.get_by_role("link", name=own).click()
        check(page, "experiment")
        assert_spoken_in_order(
            page,
            f'heading "{own}" [level=1]',
            "status: needs a person",
            'heading "Jobs" [level=2]',
            'heading "j-bob1 on v:d" [level=3]',
            'region "Timeline of j-bob1"',
            'columnheader "When (UTC)"',
            'rowheader "JobQueued"',
            'button "Approve at $2.25"',
            'textbox "Reason"',
            'button "Decline"',
        )
        page.get_by_role("button", name="Approve at $2.25").click()
        page.get_by_text("approved by approver").wait_for()
        page.go_back()
        page.get_by_role("link", name="Operations").first.click()
        page.get_by_role("heading", name="Backends").wait_for()
        check(page, "operations")
        assert_spoken_in_order(
            page,
            'heading "Operations" [level=1]',
            'heading "Next" [level=2]',
            'region "Backends"',
            *(f'columnheader "{name}"' for name in ("Backend", "With provider", "Open shots", "Calibrated")),
            'rowheader "v:d"',
        )
        page.set_viewport_size({"width": 380, "height": 800})
        for path in ("/pages", f"/pages/experiments/{own}", "/pages/operations"):
            page.goto(path)
            check(page, f"narrow {path}".replace("/", "-"))
        page.get_by_role("button", name="Sign out").click()
        page.get_by_role("heading", name="Sign in").wait_for()
    ledger = SqlLedger.open_sqlite(tenants.home / "ledger.db")
    assert ledger.job("j-bob2").approved_by == "approver"
    ledger.close()


def test_without_keys_whoever_reaches_the_loopback_address_is_in(tmp_path):
    with RunningService(tmp_path / "home") as service:
        page = service.client.get("/pages")
        assert page.status_code == 200
        assert "There is no such job yet" in page.text
        assert "Sign out" not in page.text
        assert service.client.get("/pages/operations").status_code == 200
        for path, status in (("/pages/nothing", 404), ("/pages?colour=red", 400)):
            wrong = service.client.get(path)  # a person reads it: no document for programs
            assert (wrong.status_code, wrong.headers["content-type"]) == (status, "text/html; charset=utf-8")
            assert "That did not work" in wrong.text
        assert service.client.get("/pages/sign-in").headers["location"] == "/pages"
        # A form that another page has sent is none of this session's.
        assert service.client.post("/pages/experiments/x-00000000/cancel", data={"form_token": "x"}).status_code == 403
        assert service.client.get("/pages", headers={"host": "evil.example"}).status_code == 421
