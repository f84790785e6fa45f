"""What a customer sees and does: form, steps, keys, usage, data, cases and appeals, colleagues."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from tests.governing import CONDITIONS, FORM, Here, described, live, sent_in
from tutelage.govern import consent
from tutelage.store import appeals, applications, cases, end_users, keys, notices, quotas, requests
from tutelage.store.cases import NewCase
from tutelage.store.requests import Ended, Request

ONLY_SQLITE = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


def test_a_form_is_saved_mended_and_sent_in(site: Here) -> None:
    cleo = site.customer()
    assert cleo.get("/").headers["location"] == "/apps"
    assert "Bakery has no application yet" in cleo.get("/apps").text
    wrong = {**FORM, "purpose": "Too short.", "end_users": "0", "risk.minors": "on"}
    answer = cleo.post("/apps/new", **wrong)
    assert answer.status_code == 400 and "end users is 0" in answer.text
    # What was typed stays.
    assert ">Too short.</textarea>" in answer.text and re.search(r'name="risk.minors" checked', answer.text)
    assert "whole number" in cleo.post("/apps/new", **{**FORM, "end_users": "many"}).text
    id = described(cleo, **{"risk.minors": "on", "purpose": ""})
    assert "20 to 4000 characters" in cleo.post(f"/apps/{id}/move", to="sandbox").text
    cleo.post(f"/apps/{id}/form", **{**FORM, "risk.minors": "on"})
    found = applications.get(site.store, id)
    assert (found.state, found.name, found.form.risks, found.form.is_read_first) == (
        "draft",
        "Flour talk",
        ("minors",),
        True,
    )
    assert "Saved." in cleo.get(f"/apps/{id}?done=saved").text and "Saved." not in cleo.get(f"/apps/{id}?done=x").text
    cleo.post(f"/apps/{id}/form", **{**FORM, "name": "Dough talk"})
    assert applications.get(site.store, id).name == "Dough talk"
    assert "cannot become in review" in cleo.post(f"/apps/{id}/move", to="in_review").text
    assert cleo.post(f"/apps/{id}/move", to="live").headers["location"] == f"/apps/{id}"
    for to in ("sandbox", "in_review"):
        cleo.post(f"/apps/{id}/move", to=to)
    page = cleo.get(f"/apps/{id}").text
    assert "A reviewer reads it." in page and "due by 2026-11-05 09:00 UTC" in page
    locked = cleo.get(f"/apps/{id}/form").text
    assert "While it is in review" in locked and "<textarea" not in locked
    assert cleo.post(f"/apps/{id}/form", **FORM).status_code == 400


def test_conditions_reasons_and_requested_changes_are_read_and_answered(site: Here) -> None:
    cleo, rita = site.customer(), site.staff()
    id = sent_in(cleo)
    rita.post(f"/console/apps/{id}/decide", decision="changes_requested", code="unread", reason="Who is that?")
    page = cleo.get(f"/apps/{id}").text
    assert "Somebody who knows the subject should read the answers first. Who is that?" in page
    cleo.post(f"/apps/{id}/move", to="in_review", reason="Our bakers are.")
    assert "Our bakers are." in rita.get(f"/console/apps/{id}").text
    rita.post(
        f"/console/apps/{id}/decide",
        decision="approved",
        reason="Clear.",
        **{**CONDITIONS, "models": "default", "days": "30"},
    )
    page = cleo.get(f"/apps/{id}").text
    assert "It is live" in page and "400,000" in page and "Models: default" in page and "2026-12-02" in page
    # Who of the operator's people decided is theirs to know.
    assert "Rita" not in page and "the operator" in page and "your organisation" in page
    site.clock.move(days=31)
    page = cleo.again().get(f"/apps/{id}").text
    assert "Its conditions ran out" in page and "expired" in page
    assert cleo.post(f"/apps/{id}/move", to="in_review").status_code == 303


@ONLY_SQLITE
def test_a_key_is_shown_once_rotated_and_revoked(site: Here) -> None:
    cleo = site.customer()
    id = described(cleo)
    assert "no key can be made" in cleo.get(f"/apps/{id}/keys").text
    cleo.post(f"/apps/{id}/move", to="sandbox")
    made = cleo.post(f"/apps/{id}/keys", name="the oven", days="90", **{"scope.complete": "on"})
    (text,) = re.findall(r"tut_\w{8}_\w{32}", made.text)
    assert made.headers["cache-control"] == "no-store"
    bound = keys.bound(site.store, text[4:12])
    assert bound and keys.is_right(text, bound.digest, keys.pepper(site.store))
    assert (bound.key.scopes, bound.key.expires) == (("complete",), site.clock.now + timedelta(days=90))
    listed = cleo.get(f"/apps/{id}/keys").text
    assert text not in listed and f"tut_{text[4:12]}" in listed and "never used" in listed
    assert "choose from them" in cleo.post(f"/apps/{id}/keys", name="none").text
    rotated = cleo.post(f"/apps/{id}/keys/{text[4:12]}/rotate", hours="1")
    (new,) = re.findall(r"tut_\w{8}_\w{32}", rotated.text)
    old = keys.bound(site.store, text[4:12])
    assert old and old.key.expires == site.clock.now + timedelta(hours=1)
    cleo.post(f"/apps/{id}/keys/{new[4:12]}/revoke")
    assert not any(one.id == new[4:12] and one.is_live(site.clock.now) for one in keys.of(site.store, id))
    assert "Keys that are over (1)" in cleo.get(f"/apps/{id}/keys").text


def test_usage_is_told_by_day_and_against_the_limits(site: Here) -> None:
    cleo, mona = site.customer(), site.customer("Mill", "Mona")
    mine, other = described(cleo), described(mona)
    now = site.clock.now
    made = [(mine, 0, "served", 30), (mine, 0, "cut", 12), (mine, 1, "refused", 0), (mine, 13, "served", 900)]
    made += [(mine, 14, "served", 7000), (other, 0, "served", 5000)]
    ended = [
        Ended(request=Request(
            id=f"r{place}", endpoint="chat", action=action, status=200, created=now - timedelta(days=days),  # type: ignore[arg-type]
            latency_ms=5, application_id=application, prompt_tokens=tokens // 3, completion_tokens=tokens - tokens // 3,
        ))
        for place, (application, days, action, tokens) in enumerate(made)
    ]  # fmt: skip
    requests.add(site.store, ended)
    cleo.post(f"/apps/{mine}/move", to="sandbox")
    limits = applications.get(site.store, mine).limits
    quotas.reserve(site.store, mine, tokens=321, limits=limits, now=now)
    end_users.admit(site.store, mine, "kim", most=5, now=now)
    page = cleo.get(f"/apps/{mine}/usage").text
    rows = {
        row[0]: row[1:] for row in (re.findall(r'class="number">([^<]+)<', line) for line in page.splitlines()) if row
    }
    assert rows["2026-11-02"] == ["2", "1", "0", "42"] and rows["2026-11-01"] == ["1", "0", "1", "0"]
    assert rows["2026-10-20"] == ["1", "0", "0", "900"] and rows["2026-10-25"] == ["0", "0", "0", "0"]
    assert len(rows) == 14 and "7,000" not in page and "5,000" not in page
    assert "321 of 100,000" in page and "1 of 20" in page and "1 of 5" in page
    # The tallest bar is the day of 2 requests; a day of one is half as high.
    bars = [float(height) for height in re.findall(r'class="bar"[^>]* height="([\d.]+)"', page)][:14]
    assert bars == [48.0, *[0.0] * 11, 48.0, 96.0]


@ONLY_SQLITE
def test_the_use_of_data_is_chosen_under_the_notice_that_was_shown(site: Here) -> None:
    cleo = site.customer()
    id = described(cleo)
    page = cleo.get(f"/apps/{id}/data").text
    assert "may be used for nothing" in page and "You decide what your application" in page
    cleo.post(f"/apps/{id}/data/agree", notice=consent.FIRST)
    assert applications.get(site.store, id).data_use == "training"
    notices.publish(site.store, "data-use-2", "Other words.", by="", now=site.clock.now)
    assert applications.get(site.store, id).data_use == "none"
    answer = cleo.post(f"/apps/{id}/data/agree", notice=consent.FIRST)
    assert (
        answer.status_code == 400 and "changed to &#39;data-use-2&#39;" in answer.text and "Other words." in answer.text
    )
    cleo.post(f"/apps/{id}/data/agree", notice="data-use-2")
    assert "version data-use-2" in cleo.get(f"/apps/{id}/data").text
    cleo.post(f"/apps/{id}/data/refuse")
    assert "tick the box first" in cleo.post(f"/apps/{id}/data/withdraw").text
    assert not any(one.withdraws for one in notices.decisions(site.store, id))
    cleo.post(f"/apps/{id}/data/withdraw", sure="on")
    last = notices.decisions(site.store, id)[0]
    assert last.withdraws and last.by == cleo.id
    assert "all withdrawn" in cleo.get(f"/apps/{id}/data").text


def test_cases_are_seen_and_a_measure_is_appealed_against(site: Here) -> None:
    cleo, rita, omar = site.customer(), site.staff(), site.staff("Omar")
    id = live(cleo, rita)
    assert "Nothing was noticed." in cleo.get(f"/apps/{id}/cases").text
    why = "It sends what nobody asked for, again and again."
    assert cleo.post(f"/apps/{id}/appeals", text=why).status_code == 400
    found = NewCase(kind="finding", application_id=id, signal="spam", summary="9 of 10 alike", measure="warn")
    cases.add(site.store, found, now=site.clock.now)
    rita.post(f"/console/apps/{id}/suspend", reason="It sends spam.")
    page = cleo.get(f"/apps/{id}/cases").text
    assert "answers that are nearly the same" in page and "warning" in page and "waits for a reviewer" in page
    # How the monitor counts is not told: it would say how to stay below.
    assert "9 of 10 alike" not in page
    assert "It sends spam." in cleo.get(f"/apps/{id}").text
    assert "20 to 4000" in cleo.post(f"/apps/{id}/appeals", text="No.").text
    cleo.post(f"/apps/{id}/appeals", text="A test sent the same text to ourselves.")
    page = cleo.get(f"/apps/{id}/cases").text
    assert "An appeal waits" in page and "<textarea" not in page
    (appeal,) = appeals.of_application(site.store, id)
    refused = rita.post(f"/console/appeals/{appeal.number}/decide", decision="overturned", reason="Yes.")
    assert refused.status_code == 400 and "another reviewer decides" in refused.text
    answer = omar.post(f"/console/appeals/{appeal.number}/decide", decision="overturned", reason="It was a test.")
    assert answer.headers["location"] == f"/console/apps/{id}?done=decided"
    omar.post(f"/console/apps/{id}/lift", reason="It was a test.")
    assert applications.get(site.store, id).state == "live"
    page = cleo.get(f"/apps/{id}/cases").text
    assert "the measure was wrong" in page and "It was a test." in page


@ONLY_SQLITE
def test_colleagues_come_in_by_a_link_and_see_the_same(site: Here) -> None:
    cleo = site.customer()
    id = described(cleo)
    made = cleo.post("/organisation/invitations", note="Karl")
    (link,) = re.findall(r"http://api.example/enter/([\w-]+)", made.text)
    karl = site.nobody().use(link, "Karl")
    assert "Flour talk" in karl.get("/apps").text and karl.get(f"/apps/{id}").status_code == 200
    assert "Karl" in cleo.get("/organisation").text
    other = cleo.post("/organisation/invitations", note="Kim")
    (made_id,) = re.findall(r"/organisation/invitations/(\w+)/withdraw", other.text)
    (link,) = re.findall(r"http://api.example/enter/([\w-]+)", other.text)
    cleo.post(f"/organisation/invitations/{made_id}/withdraw")
    assert site.nobody().get(f"/enter/{link}").status_code == 404
