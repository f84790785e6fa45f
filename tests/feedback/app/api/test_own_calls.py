"""One's own account through the Python client, coming in by a link, and withdrawals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.feedback.app.api.calling import Caller
from tests.feedback.conftest import NOW, Desk
from tests.labeling import PASSWORD, QUICK, Clock, invited
from tutelage.feedback.client import ApiRefusal
from tutelage.store import audit, sessions, tokens, users, withdrawals

Call = Callable[..., Caller]
# The queries behind these calls run on both databases elsewhere.
pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


def refused(status: int) -> Any:
    return pytest.raises(ApiRefusal, check=lambda refusal: refusal.status == status)


def test_a_lead_joins_a_group_for_ever(call: Call, desk: Desk) -> None:
    caller = call("lead")
    lead = caller.python
    assert lead.me().labeler == "" and lead.stored().counts == {}
    joined = lead.join("training")
    assert joined.labeler.startswith("p-") and joined.group == "training"
    assert lead.join("training") == joined == lead.me()
    with refused(400):
        lead.join("heldout")
    assert lead.desk().waiting == {}
    with refused(403):
        call("labeler").python.join("training")
    caller.put("/me/group", {"group": "opposed"}, status=400)
    actions = [one.event.action for one in audit.find(desk.store) if one.event.actor == caller.person.id]
    assert (actions.count("person.join"), actions.count("token.use")) == (1, 1)


def test_wellbeing_is_ones_own_business(call: Call, desk: Desk) -> None:
    ida = call("labeler").python
    desk.task("c", "demonstrate", prompt={"use_case": "chat"})
    desk.task("d", "demonstrate", prompt={"use_case": "rewrite"})
    assert ida.desk().waiting == {"demonstrate": 2}
    ida.opt_out(use_cases=["chat"], contents=["violent"])
    assert ida.desk().waiting == {"demonstrate": 1}
    told = ida.wellbeing()
    assert (told.use_cases, told.contents) == (["chat"], ["violent"])
    assert "chat" in told.all_use_cases and "violent" in told.all_contents
    for version in ida.versions():
        ida.acknowledge(version.version)
    work = ida.take("demonstrate")
    assert work and work.use_case == "rewrite" and ida.draft(work.id).version == 0
    ida.hold(work.id)
    assert [(seen.days, seen.opened, seen.sensitive) for seen in ida.wellbeing().seen] == [
        (1, 1, {}),
        (7, 1, {}),
        (30, 1, {}),
    ]
    with refused(400):
        ida.opt_out(contents=["boring"])
    ida.opt_out()
    assert ida.wellbeing().use_cases == []
    assert not any("chat" in str(one.event.details) for one in audit.find(desk.store))


def test_labels_are_taken_back_by_who_looks_after_the_labeler(call: Call, desk: Desk) -> None:
    ida, lead, rita = call("labeler", "Ida"), call("lead").python, call("researcher", "Rita")
    desk.task("d", "demonstrate")
    work = ida.take("demonstrate")
    ida.put(f"/work/{work['id']}/submissions/{'k' * 16}", {"text": "An answer"})
    assert ida.python.stored().counts["demonstrations"] == 1
    for _ in range(2):
        ida.python.ask_withdrawal()
    assert ida.python.stored().asked and [one.name for one in lead.people() if one.asked] == ["Ida"]
    assert lead.label("k" * 16).latest.content.text == "An answer" and len(list(lead.submissions())) == 1
    before = lead.withdrawal(ida.person.id)
    assert (before.who, before.labels["demonstrations"]) == (ida.person.labeler, 1)
    assert before.asked and before.withdrawn is None and before.models == []
    call("admin").put(f"/people/{ida.person.id}/withdrawal", {"sure": False}, status=400)
    with refused(403):
        lead.withdraw_labeler(rita.person.id)
    with refused(404):
        lead.withdraw_labeler("nobody")
    with refused(400):
        lead.ask_withdrawal()
    assert withdrawals.withdrawn(desk.store) == {}
    done = lead.withdraw_labeler(ida.person.id)
    assert done.withdrawn and lead.withdraw_labeler(ida.person.id) == done
    assert [one.name for one in lead.people() if one.withdrawn] == ["Ida"]
    assert ida.ask("GET", "/me").status_code == 401
    assert list(lead.export("sft")) == [] and list(lead.submissions()) == []
    assert lead.label("k" * 16).latest.content.text == ""
    token = lead.me().token.id
    used = [one.event for one in audit.find(desk.store, subject=token) if one.event.action == "token.use"]
    assert [event.details for event in used] == [{"token": token}]


def test_a_user_is_withdrawn_by_an_administrator(call: Call, desk: Desk) -> None:
    desk.demonstrate("d", prompt={"user": "customer-7"})
    admin = call("admin").python
    assert len(list(admin.export("sft"))) == 1
    found = admin.withdraw_user("customer-7")
    assert (found.who, found.prompts) == (desk.store.user_hash("customer-7"), 1)
    assert list(admin.export("sft")) == [] and users.withdrawn(desk.store) == {found.who}
    assert admin.withdraw_user(found.who) == found
    assert [one.event.subject for one in audit.find(desk.store) if one.event.action == "user.withdraw"] == [found.who]
    assert "customer-7" not in str(audit.find(desk.store))
    with refused(403):
        call("lead").python.withdraw_user("customer-8")


def test_a_link_makes_an_account_and_a_token_once(call: Call, desk: Desk, clock: Clock) -> None:
    caller = call("admin")
    link = invited(desk.store, "labeler", "heldout")
    there = f"/api/v1/enter/{link}"
    told = caller.client.get(there).json()
    assert (told["role"], told["group"], told["renews"]) == ("labeler", "heldout", "")
    body = {"name": "Hal", "password": PASSWORD, "program": "a script", "days": 2}
    for wrong in ({"password": "short"}, {"name": " "}, {"name": "admin"}, {"program": " "}, {"days": 400}):
        assert caller.client.post(there, json={**body, **wrong}).status_code == 400, wrong
    made = caller.client.post(there, json=body)
    assert made.status_code == 201, made.text
    headers = {"authorization": f"Bearer {made.json()['token']}"}
    assert caller.client.get("/api/v1/me", headers=headers).json()["name"] == "Hal"
    (token,) = tokens.of(desk.store, made.json()["id"], now=clock.now)
    assert (token.name, (token.expires - NOW).days) == ("a script", 2)
    for again in (caller.client.get(there), caller.client.post(there, json=body)):
        assert again.status_code == 404 and "ask for a new one" in again.json()["error"]["message"]
    attempt = sessions.attempt(desk.store, "Hal", now=clock.now)
    assert attempt and QUICK.is_right(PASSWORD, attempt.password)
    # The same link for a new password: it ends all tokens, and gives one.
    renewal = caller.python.renew(made.json()["id"]).link.replace("/enter/", "/api/v1/enter/")
    assert caller.client.get(renewal).json()["renews"] == "Hal"
    again = caller.client.post(renewal, json={**body, "name": "", "password": "other words that do well"})
    assert again.status_code == 201 and again.json()["id"] == made.json()["id"]
    assert caller.client.get("/api/v1/me", headers=headers).status_code == 401
