"""Work through the API, on both databases: what a program hands in is what is stored, once, and is its person's."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.feedback.app.api.calling import Caller, key
from tests.feedback.conftest import Desk
from tests.labeling import Clock
from tutelage.store import audit, labels, submitted
from tutelage.store.labels import Which

Call = Callable[..., Caller]
ONLY_SQLITE = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
HOSTILE = [
    "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "\u202e evil \u2066 txt.exe\u2069",
    "zero\u200bwidth\ufeff and \0 and \uf0f0",
    "line one\r\nline two\u2028line three\t  \n\n end",
    "\U0001f469\u200d\U0001f680 é e\u0301 漢字",
    "'; DROP TABLE submissions; -- {{ 7*7 }} %s",
    "x" * 99_990 + "the end\n",
]


def test_a_demonstration_goes_all_the_way(call: Call, desk: Desk) -> None:
    desk.task("d", "demonstrate")
    ida = call("labeler", "Ida")
    assert ida.get("/work")["waiting"] == {"demonstrate": 1}
    refused = ida.post("/work", {"kind": "demonstrate"}, status=409)["error"]
    assert refused["code"] == "instructions_unread" and "demonstration-1" in refused["message"]
    ida.put("/instructions/demonstration-1/read", status=204)
    work = ida.post("/work", {"kind": "demonstrate"})
    assert (work["kind"], work["state"], work["prompt"], work["outputs"]) == ("demonstrate", "offered", "Prompt d", [])
    saved = ida.put(f"/work/{work['id']}/draft", {"base": 0, "content": "so far"})
    assert (saved["version"], saved["content"]) == (1, "so far")
    newer = ida.put(f"/work/{work['id']}/draft", {"base": 0, "content": "other"}, status=409)
    assert newer["error"]["code"] == "newer_draft"
    made = ida.put(f"/work/{work['id']}/submissions/{key()}", {"text": "An answer.", "active_ms": 1500})
    assert (made["id"], made["content"]["text"], made["active_ms"]) == (key(), "An answer.", 1500)
    (stored,) = labels.demonstrations_of(desk.store, Which())
    assert (stored.text, stored.labeler, stored.kind) == ("An answer.", ida.person.labeler, "human")
    desks = ida.get("/work")
    assert (desks["waiting"], desks["begun"]) == ({}, [])
    assert [one["id"] for one in desks["handed_in"]] == [work["id"]]


def test_hostile_texts_come_back_as_they_were_sent(call: Call, desk: Desk) -> None:
    ida, lead = call("labeler"), call("lead")
    for number, text in enumerate(HOSTILE):
        desk.task(f"d{number}", "demonstrate", prompt={"text": text})
        work = ida.take("demonstrate")
        assert work["prompt"] == text
        assert ida.put(f"/work/{work['id']}/draft", {"base": 0, "content": text})["content"] == text
        assert ida.get(f"/work/{work['id']}/draft")["content"] == text
        ida.put(f"/work/{work['id']}/submissions/{key(number)}", {"text": text, "note": text[:5000]})
        assert ida.get(f"/work/{work['id']}/submissions")[0]["content"]["text"] == text
        thread = ida.put(f"/threads/{key(number)}", {"text": text[:20_000], "work": work["id"]})
        assert lead.get(f"/threads/{thread['id']}/messages")[0]["text"] == text[:20_000]
    assert sorted(one["note"] for one in lead.get("/submissions")["items"]) == sorted(text[:5000] for text in HOSTILE)
    rows = lead.ask("GET", "/exports/sft").content.split(b"\n")
    assert sorted(json.loads(row)["completion"] for row in rows if row) == sorted(HOSTILE)


@ONLY_SQLITE
def test_half_a_character_is_refused_with_a_sentence(call: Call, desk: Desk) -> None:
    desk.task("d", "demonstrate")
    ida = call()
    work = ida.take("demonstrate")
    answer = ida.ask("PUT", f"/work/{work['id']}/submissions/{key()}", {"text": "half \ud800"})
    assert answer.status_code == 400 and answer.json()["error"]["message"]
    assert labels.demonstrations_of(desk.store, Which()) == []


def test_a_ranking_is_stored_by_completion_and_read_back_blind(call: Call, desk: Desk, clock: Clock) -> None:
    task = desk.task("r", "rank", k=4)
    ida, lead = call(), call("lead")
    work = ida.take("rank")
    by_text = {output["text"]: output["id"] for output in work["outputs"]}
    assert not set(by_text.values()) & set(task.completion_ids)
    told = json.dumps({name: work[name] for name in work.keys() - {"id", "instruction_version"}})
    assert not any(word in told for word in ("sft", "t-r", "train"))
    first, second, third, fourth = (by_text[f"r answer {number}"] for number in range(4))
    body = {
        "groups": [[third], [first, fourth], [second]],
        "ratings": {
            output: {"quality": 4, "flags": {"opinion": None, "violent": False}} for output in by_text.values()
        },
        "seeded": True,
    }
    made = ida.put(f"/work/{work['id']}/submissions/{key()}", body)
    assert made["content"]["groups"] == body["groups"] and made["content"]["seeded"] is True
    assert made["content"]["ratings"][first] == {"quality": 4, "flags": {"opinion": None, "violent": False}}
    (stored,) = labels.rankings_of(desk.store, Which())
    assert stored.groups == (("r-sft-2",), ("r-sft-0", "r-sft-3"), ("r-sft-1",))
    (listed,) = lead.get("/submissions")["items"]
    assert listed["content"]["groups"] == [["r-sft-2"], ["r-sft-0", "r-sft-3"], ["r-sft-1"]]
    assert sorted(listed["presented"]) == sorted(task.completion_ids)
    assert (listed["task_id"], listed["labeler"], listed["kind"]) == ("t-r", ida.person.labeler, "rank")
    clock.move(minutes=1)
    better = {"groups": [[output] for output in by_text.values()], "supersedes": key()}
    ida.put(f"/work/{work['id']}/submissions/{key(1)}", better)
    revisions = ida.get(f"/work/{work['id']}/submissions")
    assert [(one["id"], one["supersedes"]) for one in revisions] == [(key(), ""), (key(1), key())]
    stale = ida.put(f"/work/{work['id']}/submissions/{key(2)}", better, status=409)
    assert key(1) in stale["error"]["message"]


def test_handing_in_twice_counts_once_and_says_through_which_token(call: Call, desk: Desk) -> None:
    desk.task("d", "demonstrate")
    ida = call()
    work = ida.take("demonstrate")
    there = f"/work/{work['id']}/submissions/{key()}"
    assert ida.put(there, {"text": "once"}) == ida.put(there, {"text": "once"})
    assert ida.put(there, {"text": "twice"}, status=409)["error"]["code"] == "conflict"
    (stored,) = submitted.page(desk.store, submitted.Which(), after=None, limit=9)
    token = ida.get("/me")["token"]["id"]
    assert (stored.token, stored.labeler_kind) == (token, "human")
    entry = next(one for one in audit.find(desk.store) if one.event.action == "work.submit")
    assert entry.event.details["token"] == token and entry.event.actor == ida.person.id
    audit.verify(desk.store)


def test_leases_are_held_given_back_and_run_out(call: Call, desk: Desk, clock: Clock) -> None:
    desk.task("d", "demonstrate")
    ida, ben = call("labeler", "Ida"), call("labeler", "Ben")
    work = ida.take("demonstrate")
    ben.put("/instructions/demonstration-1/read", status=204)
    assert ben.ask("POST", "/work", {"kind": "demonstrate"}).status_code == 204
    clock.move(minutes=20)
    ida.put(f"/work/{work['id']}/lease")
    clock.move(minutes=20)
    assert ben.ask("POST", "/work", {"kind": "demonstrate"}).status_code == 204
    ida.delete(f"/work/{work['id']}/lease")
    assert ida.delete(f"/work/{work['id']}/lease", status=409)["error"]["code"] == "conflict"
    assert ida.put(f"/work/{work['id']}/lease", status=409)["error"]["code"] == "lease_over"
    his = ben.post("/work", {"kind": "demonstrate"})
    gone = ida.put(f"/work/{work['id']}/submissions/{key()}", {"text": "late"}, status=409)
    assert "went to others" in gone["error"]["message"]
    ben.post(f"/work/{his['id']}/skip", {"reason": "bored"}, status=400)
    ben.post(f"/work/{his['id']}/skip", {"reason": "unclear", "note": "which?"}, status=204)
    assert ida.put(f"/work/{work['id']}/submissions/{key()}", {"text": "in time"})["content"]["text"] == "in time"
    actions = [one.event.action for one in reversed(audit.find(desk.store)) if one.event.action.startswith("work.")]
    assert actions == ["work.take", "work.release", "work.take", "work.skip", "work.submit"]


@ONLY_SQLITE
def test_the_desk_of_another_is_as_if_it_were_not_there(call: Call, desk: Desk) -> None:
    desk.task("d", "demonstrate")
    ida, ben = call("labeler", "Ida"), call("labeler", "Ben")
    there = f"/work/{ida.take('demonstrate')['id']}"
    for method, path, body in (
        ("GET", "", None),
        ("GET", "/draft", None),
        ("PUT", "/draft", {"base": 0, "content": "a"}),
        ("PUT", "/lease", None),
        ("DELETE", "/lease", None),
        ("POST", "/skip", {"reason": "other"}),
        ("GET", "/submissions", None),
        ("PUT", f"/submissions/{key()}", {"text": "x"}),
    ):
        assert ben.ask(method, there + path, body).status_code == 404, (method, path)


@ONLY_SQLITE
def test_a_heldout_labeler_never_gets_training_work(call: Call, desk: Desk) -> None:
    desk.task("d", "demonstrate")
    hal = call("labeler", "Hal", "heldout")
    assert hal.get("/work")["waiting"] == {}
    assert hal.ask("POST", "/work", {"kind": "demonstrate"}).status_code == 204


UNFIT: list[tuple[dict[str, Any], str]] = [
    ({"groups": []}, "is not ranked"),
    ({"groups": [["nothing"]]}, "was not presented"),
    ({"ratings": {"x": {"quality": 3}}}, "not exactly the 4 shown"),
    ({"text": "a text"}, "did not ask for"),
    ({"active_ms": -1}, "greater than or equal to 0"),
    ({"active_ms": 10**30}, "less than or equal"),
    ({"seeded": "yes"}, "boolean"),
    ({"policy": "x"}, "'policy'"),
    ({"ratings": {"x": {"quality": 10**30}}}, "."),
]


@ONLY_SQLITE
def test_a_submission_that_does_not_fit_stores_nothing(call: Call, desk: Desk) -> None:
    desk.task("r", "rank")
    ida = call()
    work = ida.take("rank")
    fit = {"groups": [[output["id"]] for output in work["outputs"]]}
    for change, told in UNFIT:
        refused = ida.put(f"/work/{work['id']}/submissions/{key()}", {**fit, **change}, status=400)
        assert told in refused["error"]["message"]
    for bad in ("short", "x" * 65, "white space here!", "0b6f5f0e%2F0b6f5f0e9d2b"):
        assert ida.ask("PUT", f"/work/{work['id']}/submissions/{bad}", fit).status_code in (400, 404)
    assert labels.rankings_of(desk.store, Which()) == []
