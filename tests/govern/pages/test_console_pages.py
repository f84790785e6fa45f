"""What the operator's people see and do: reviews, stopping, cases, releases, jobs, people."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest

from tests.firms import FORM
from tests.governing import CONDITIONS, Here, described, live, sent_in
from tests.release.versions import NOW as THEN
from tests.release.versions import judge, register, write
from tutelage.release import promotion
from tutelage.release.gates import Gate
from tutelage.release.promotion import Order
from tutelage.store import applications, audit, cases, jobs, organisations, registry, releases, requests
from tutelage.store.cases import NewCase
from tutelage.store.jobs import NewJob
from tutelage.store.requests import Choice, Content, Ended, Hit, Request
from tutelage.store.results import Figure

ONLY_SQLITE = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


def test_the_queue_has_deadlines_and_what_waited_longest_first(site: Here) -> None:
    cleo, rita = site.customer(), site.staff()
    assert rita.get("/").headers["location"] == "/console/queue"
    assert "No application waits" in rita.get("/console/queue").text
    first = sent_in(cleo, name="Flour")
    site.clock.move(days=2)
    second = sent_in(cleo.again(), **{"name": "Children", "risk.minors": "on"})
    site.clock.move(days=1, seconds=1)
    page = rita.again().get("/console/queue").text
    assert re.findall(r"/console/apps/(app-\w+)", page) == [first, second]
    assert page.index("2026-11-05 09:00 UTC") < page.index("late") < page.index("2026-11-07 09:00 UTC")
    assert re.findall(r"badge (?:attention)?\s*\">(low|middle|high)", page) == ["low", "high"]
    # Sent in again, it waits from then on.
    cleo.again().post(f"/apps/{first}/move", to="sandbox")
    cleo.post(f"/apps/{first}/move", to="in_review")
    assert re.findall(r"/console/apps/(app-\w+)", rita.get("/console/queue").text) == [second, first]


@ONLY_SQLITE
def test_of_many_applications_a_page_lists_some_and_finds_the_others(site: Here) -> None:
    rita = site.staff()
    firms = [organisations.create(site.store, name, by="", now=site.clock.now).id for name in ("Bakery", "Mühle")]
    for number in range(203):
        name = f"Application {number:03}"
        applications.create(site.store, firms[number == 7], name, FORM, by="", now=site.clock.now)
    page = rita.get("/console/apps").text
    assert len(re.findall(r"/console/apps/app-", page)) == 200 and "3 more are not shown" in page
    for wanted in ("name=application%20007", "name=M%C3%9CHLE", "name=m%C3%BChle&state=draft"):
        assert re.findall(r">(Application \d+)</a>", rita.get(f"/console/apps?{wanted}").text) == ["Application 007"]
    assert "There is no such application." in rita.get("/console/apps?state=live&name=007").text


def test_a_review_gives_conditions_or_a_reason(site: Here) -> None:
    cleo, rita = site.customer(), site.staff()
    id = sent_in(cleo, **{"risk.minors": "on"})
    page = rita.get(f"/console/apps/{id}").text
    assert "People under age: who looks after them" in page and "Risk: high" in page
    wrong = rita.post(f"/console/apps/{id}/decide", decision="approved", **CONDITIONS)
    assert wrong.status_code == 400 and "Say why" in wrong.text and 'value="400000"' in wrong.text
    assert rita.post(f"/console/apps/{id}/decide", reason="x").status_code == 400
    given = {**CONDITIONS, "tokens_per_day": "0"}
    assert "from 1" in rita.post(f"/console/apps/{id}/decide", decision="approved", reason="x", **given).text
    rita.post(f"/console/apps/{id}/decide", decision="not_approved", code="not_allowed", reason="Not for children.")
    found = applications.get(site.store, id)
    assert (found.state, found.reason) == ("sandbox", "This use is not allowed here. Not for children.")
    cleo.post(f"/apps/{id}/move", to="in_review")
    given = {**CONDITIONS, "filter_mode": "annotate", "data_use": "none", "models": "default, m@1 default", "days": "9"}
    rita.post(f"/console/apps/{id}/decide", decision="approved", reason="For nine days.", **given)
    kept = applications.get(site.store, id).conditions
    assert kept and (kept.filter_mode, kept.data_use, kept.models) == ("annotate", "none", ("default", "m@1"))
    assert (kept.limits.tokens_per_day, kept.expires) == (400_000, site.clock.now + timedelta(days=9))
    rita.post(
        f"/console/apps/{id}/decide", decision="approved", reason="Less.", **{**CONDITIONS, "tokens_per_day": "9"}
    )
    assert applications.get(site.store, id).limits.tokens_per_day == 9
    assert applications.history(site.store, id)[-1].by == rita.id
    assert "Less." in rita.get(f"/console/apps/{id}").text


def test_stopping_lifting_slowing_and_the_end_by_two(site: Here) -> None:
    cleo, rita, omar = site.customer(), site.staff(), site.staff("Omar")
    id = live(cleo, rita)
    at = f"/console/apps/{id}"
    assert rita.post(f"{at}/suspend").status_code == 400
    rita.post(f"{at}/suspend", reason="Spam.")
    assert applications.get(site.store, id).state == "suspended"
    rita.post(f"{at}/lift", reason="A false alarm.")
    assert applications.get(site.store, id).state == "live"
    assert "per cent" in rita.post(f"{at}/throttle", percent="x", reason="y").text
    rita.post(f"{at}/throttle", percent="10", reason="A rise.")
    assert applications.get(site.store, id).limits.tokens_per_day == 40_000
    assert "10 % of its limits" in cleo.get(f"/apps/{id}").text
    rita.post(f"{at}/revoke", reason="Spam again.")
    assert "To be revoked" in omar.get("/console/queue").text
    assert "You asked for this yourself" in rita.post(f"{at}/revoke", reason="Yes.").text
    omar.post(f"{at}/keep")
    assert applications.get(site.store, id).revocation_by is None
    rita.post(f"{at}/revoke", reason="Spam again.")
    omar.post(f"{at}/revoke", reason="It sent spam again.")
    assert applications.get(site.store, id).state == "revoked"
    page = omar.get(at).text
    assert "It sent spam again." in page and "Suspend now" not in page
    assert audit.verify(site.store).rows


def case_of(site: Here, application: str) -> int:
    """Open a case on two requests, of which one was kept."""
    asked = [
        Request(id=id, endpoint="chat", action="blocked_prompt", status=400, created=site.clock.now, latency_ms=5,
                application_id=application, prompt_severity=2, prompts=1, n=1)
        for id in ("cmpl-1", "cmpl-2")
    ]  # fmt: skip
    kept = Content(
        reason="review",
        prompts=((("user", "<b>words</b> that [name] wrote"),),),
        choices=(Choice(prompt=0, text="an answer", finish_reason="stop", tokens=2),),
        sampling={},
    )
    hit = Hit(role="prompt", category="hate", severity=2, score=0.9)
    requests.add(site.store, [Ended(request=asked[0], hits=(hit,), content=kept), Ended(request=asked[1])])
    found = NewCase(kind="finding", application_id=application, signal="critical", summary="one grave request",
                    requests=("cmpl-1", "cmpl-2", "cmpl-3"), is_grave=True)  # fmt: skip
    return cases.add(site.store, found, now=site.clock.now)


def test_a_case_is_read_for_a_reason_that_is_kept_and_decided_once(site: Here) -> None:
    cleo, rita = site.customer(), site.staff()
    id = live(cleo, rita)
    number = case_of(site, id)
    assert "one grave request" in rita.get("/console/cases").text
    assert "No case waits" in rita.get("/console/cases?kind=spot_check").text
    page = rita.get(f"/console/cases/{number}").text
    assert "hate (2)" in page and "its time in the log is over" in page and "that [name] wrote" not in page
    before = audit.verify(site.store).rows
    at = f"/console/cases/{number}"
    assert "Say why you look" in rita.post(f"{at}/read", request="cmpl-1", reason="x").text
    assert rita.post(f"{at}/read", request="cmpl-9", reason="To judge the case.").status_code == 404
    assert "Nothing that was said" in rita.post(f"{at}/read", request="cmpl-2", reason="To judge the case.").text
    assert audit.verify(site.store).rows == before
    page = rita.post(f"{at}/read", request="cmpl-1", reason="To judge the case.").text
    assert "&lt;b&gt;words&lt;/b&gt; that [name] wrote" in page and "an answer" in page
    (look,) = audit.find(site.store, subject="cmpl-1")
    assert (look.event.actor, look.event.action) == (rita.id, "request.read")
    assert look.event.details["reason"] == "To judge the case."
    assert rita.post(f"{at}/decide", verdict="confirmed", code="nonsense").status_code == 400
    rita.post(f"{at}/decide", verdict="dismissed", code="filter_error", note="A quotation.")
    assert (cases.get(site.store, number).verdict, cases.get(site.store, number).reviewer) == ("dismissed", rita.id)
    assert "A quotation." in rita.get(at).text
    assert "dismissed already" in rita.post(f"{at}/decide", verdict="confirmed", code="abuse").text


def test_usage_is_counted_by_application(site: Here) -> None:
    cleo, rita = site.customer(), site.staff()
    ids = [described(cleo, name=name) for name in ("Flour", "Dough")]
    made = [(ids[0], 0), (ids[1], 0), (ids[1], 3), (ids[0], 20)]
    requests.add(site.store, [
        Ended(request=Request(id=f"r{place}", endpoint="chat", action="served", status=200, latency_ms=1,
                              created=site.clock.now - timedelta(days=days), application_id=id, prompt_tokens=1000))
        for place, (id, days) in enumerate(made)
    ])  # fmt: skip
    site.clock.move(seconds=1)
    for days, counts in (("1", [1, 1]), ("7", [2, 1]), ("30", [2, 2])):
        page = rita.get(f"/console/usage?days={days}").text
        rows = re.findall(r"<tr>(.*?)</tr>", page, re.DOTALL)[1:]
        assert [int(re.findall(r'class="number">(\d+)<', row)[0]) for row in rows] == counts
    assert re.findall(r"(Flour|Dough)</a>", rita.get("/console/usage").text) == ["Dough", "Flour"]


@ONLY_SQLITE
def test_releases_go_through_their_gates_and_back(site: Here, tmp_path: Path) -> None:
    rita, ada = site.staff(), site.staff("Ada", "admin")
    assert "Nothing is registered" in rita.get("/console/releases").text
    one, two, three = (register(site.store, write(tmp_path / f"v{n}", n)) for n in (1, 2, 3))
    good, bad = Figure(0.6, 0.55, 0.65, 900), Figure(0.4, 0.35, 0.45, 900)
    for model, figure in ((one, good), (two, good), (three, bad)):
        judge(site.store, model, win_rate__sft=figure)
    gates = (Gate(figure="win_rate/sft", at_least=0.5),)
    promotion.promote(site.store, "m@1", Order(alias="default", gates=gates), now=THEN)
    page = rita.get("/console/releases?alias=default&version=m%403").text
    assert "The gate win_rate/sft fails" in page and "win_rate/sft: 0.600 [0.550, 0.650], n = 900" in page
    assert 'action="/console/releases/promote"' not in page and "names m@1" in page
    wanted = {"alias": "default", "version": "m@3", "reason": "Newer."}
    refused = ada.post("/console/releases/promote", **wanted)
    assert refused.status_code == 400 and "m@3 is not promoted. The gate win_rate/sft fails" in refused.text
    assert "Say why" in ada.post("/console/releases/promote", **{**wanted, "reason": " "}).text
    assert "from 1 to 99" in ada.post("/console/releases/promote", **{**wanted, "share": "100"}).text
    ada.post("/console/releases/promote", **{**wanted, "version": "m@2", "share": "5"})
    assert "5 % of its callers go to the canary m@2" in rita.get("/console/releases").text
    ada.post("/console/releases/promote", **{**wanted, "version": "m@2"})
    assert str(registry.pointed(site.store)["default"]) == "m@2"
    assert "Say why" in ada.post("/console/releases/roll-back", alias="default").text
    ada.post("/console/releases/roll-back", alias="default", reason="The wrong language.")
    assert str(registry.pointed(site.store)["default"]) == "m@1"
    last = releases.history(site.store, "default")[-1]
    assert (last.action, last.decision.by, last.decision.reason) == ("rolled_back", ada.id, "The wrong language.")
    page = ada.get("/console/releases").text
    assert "The wrong language." in page and "Ada" in page
    assert ada.post("/console/releases/roll-back", alias="nothing", reason="x").status_code == 404


def test_failed_jobs_are_seen_and_tried_again(site: Here) -> None:
    rita, ada = site.staff(), site.staff("Ada", "admin")
    assert "No job was filed" in rita.get("/console/jobs").text
    now = site.clock.now
    jobs.enqueue(site.store, [NewJob(kind="alert", arguments={"case": 1}, id="job-1")], now=now)
    for _ in range(jobs.ATTEMPTS):
        job = jobs.claim(site.store, ["alert"], worker="w", now=now, until=now + timedelta(minutes=1))
        assert job
        jobs.fail(site.store, job, "The address <b> answered 500.", now=now, again=now)
    page = rita.get("/console/jobs").text
    assert "The address &lt;b&gt; answered 500." in page and "failed" in page and "Try again" not in page
    assert ada.post("/console/jobs/job-1/retry").status_code == 303
    assert jobs.find(site.store)[0].state == "queued"
    assert audit.find(site.store, subject="job-1")[0].event.actor == ada.id
    assert ada.post("/console/jobs/job-1/retry").status_code == 400
    assert ada.post("/console/jobs/none/retry").status_code == 404


@ONLY_SQLITE
def test_an_administrator_lets_people_in_and_keeps_them_out(site: Here) -> None:
    ada = site.staff("Ada", "admin")
    answer = ada.post("/console/people/customers", new="Bakery", note="Cleo")
    (link,) = re.findall(r"http://api.example/enter/([\w-]+)", answer.text)
    cleo = site.nobody().use(link, "Cleo")
    (firm,) = organisations.find(site.store)
    assert cleo.person and cleo.person.organisation == firm.id
    assert "There is an organisation" in ada.post("/console/people/customers", new="bakery").text
    answer = ada.post("/console/people/staff", role="reviewer", note="Rita")
    (link,) = re.findall(r"http://api.example/enter/([\w-]+)", answer.text)
    rita = site.nobody().use(link, "Rita")
    assert rita.get("/console/queue").status_code == 200
    ada.post(f"/console/people/{rita.id}/suspend")
    assert rita.get("/console/queue").status_code == 303
    assert "Nobody can suspend the own account" in ada.post(f"/console/people/{ada.id}/suspend").text
    ada.post(f"/console/people/{rita.id}/reinstate")
    renewed = ada.post(f"/console/people/{rita.id}/renew")
    assert "new password for Rita" in renewed.text
    at = f"/console/people/organisations/{firm.id}"
    assert ada.post(f"{at}/suspend").status_code == 400 and ada.post(f"{at}/end", reason="x").status_code == 400
    ada.post(f"{at}/suspend", reason="Unpaid.")
    assert not organisations.get(site.store, firm.id).is_active
    assert "Bakery is suspended" in cleo.get("/apps").text
    ada.post(f"{at}/reinstate", reason="Paid.")
    assert organisations.get(site.store, firm.id).is_active
