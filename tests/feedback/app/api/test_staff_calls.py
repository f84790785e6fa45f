"""What leads, researchers, candidates and administrators do through the API."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from pyarrow import parquet

from tests.feedback.app import screened
from tests.feedback.app.api.calling import Caller, key
from tests.feedback.conftest import NOW, Desk, ranking
from tests.labeling import Clock
from tutelage.feedback.work import Judgement
from tutelage.store import Store, accounts, audit, tasks

Call = Callable[..., Caller]
# Whose queries run on both databases elsewhere.
ONLY_SQLITE = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
ANSWERS: dict[str, Any] = {
    "f1": True,
    "f2": True,
    "r1": [[0, 2], [1]],
    "d1": "I am sorry <b>to hear</b> it.",
    "t1": True,
    "t2": False,
}


@ONLY_SQLITE
def test_a_candidate_is_screened_scored_blind_and_taken(call: Call, desk: Desk, store: Store) -> None:
    screened.publish(store)
    cora, rosa, remy, lead = call("candidate"), call("researcher", "Rosa"), call("researcher", "Remy"), call("lead")
    assert cora.get("/screening")["items"] == []
    items = cora.put("/screening")["items"]
    assert [item["id"] for item in items] == list(ANSWERS)
    assert sorted(items[2]["order"]) == [0, 1, 2] and items[2]["outputs"] == [
        "Red, blue",
        "Red, blue, green",
        "Blue, red",
    ]
    cora.post("/screening/hand-in", status=400)
    for item, answer in ANSWERS.items():
        cora.put(f"/screening/items/{item}/answer", {"answer": answer}, status=204)
    cora.put("/screening/items/f1/answer", {"answer": "yes"}, status=400)
    cora.put("/screening/items/none/answer", {"answer": True}, status=404)
    assert {item["id"]: item["answer"] for item in cora.get("/screening")["items"]} == ANSWERS
    assert cora.post("/screening/hand-in")["handed_in"]
    lead.post(f"/candidates/{cora.person.labeler}/decision", {"decision": "take", "reason": "Good."}, status=400)
    for scorer in (rosa, remy):
        (text,) = scorer.get("/scoring")
        assert text["text"] == ANSWERS["d1"] and cora.person.labeler not in json.dumps(text)
        scorer.put(f"/scoring/{text['id']}", {"score": 8}, status=400)
        scorer.put(f"/scoring/{text['id']}", {"score": 6}, status=204)
        assert scorer.get("/scoring") == []
    told = lead.get(f"/candidates/{cora.person.labeler}")
    # One of two flags, the whole order, the mean of 6 and 6; cut-offs of the paper (B.1).
    assert told["outcomes"] == [
        {"part": "flags", "value": 0.5, "cut_off": 0.75},
        {"part": "ranking", "value": 1.0, "cut_off": 0.75},
        {"part": "demonstration", "value": 6.0, "cut_off": 6.0},
    ]
    assert told["topics"] == ["Age"] and told["decision"] is None
    body = {"decision": "take", "reason": "Good texts."}
    assert lead.post(f"/candidates/{cora.person.labeler}/decision", body, status=201)["decision"]["passed"] is True
    assert cora.get("/me")["role"] == "labeler"
    assert lead.get("/candidates")[0]["decision"]["reason"] == "Good texts."
    assert all("token" in one.event.details for one in audit.find(store) if one.event.action.startswith("screening."))


@ONLY_SQLITE
def test_a_question_becomes_an_example(call: Call, desk: Desk) -> None:
    desk.task("r", "rank")
    (held,) = desk.lease("anna")
    desk.submit(ranking(held))
    desk.task("q", "rank")
    ida, ben, lead = call("labeler", "Ida"), call("labeler", "Ben"), call("lead")
    work = ida.take("rank")
    output = work["outputs"][0]["id"]
    body = {"text": "Which comes first?", "work": work["id"], "output": output}
    thread = ida.put(f"/threads/{key()}", body)
    assert ida.put(f"/threads/{key()}", body) == thread
    assert (thread["output"], thread["waits_for_answer"], thread["is_unread"]) == (output, True, False)
    ida.put(f"/threads/{key(1)}", {**body, "output": "none"}, status=400)
    assert ida.put(f"/threads/{key()}", {"text": "Another question?"}, status=409)["error"]["code"] == "conflict"
    assert ben.put(f"/threads/{key()}", body | {"work": "", "output": ""}, status=409)
    for path in ("/threads/" + key() + "/messages", "/threads/none/messages"):
        assert ben.get(path, status=404)["error"]["message"] == "There is no such conversation; go back to the list."
    assert ben.get("/threads") == []
    assert [line["is_unread"] for line in lead.get("/threads")] == [True]
    (question,) = lead.get(f"/threads/{key()}/messages")
    lead.put(f"/threads/{key()}/read", {"number": 10**12}, status=204)
    assert [line["is_unread"] for line in lead.get("/threads")] == [False]
    lead.put(f"/threads/{key()}/messages/{key(2)}", {"text": "The shorter one."}, status=204)
    lead.put(f"/threads/{key()}/messages/{key(3)}", {"text": "  "}, status=400)
    assert [line["is_unread"] for line in ida.get("/threads")] == [True]
    assert [one["text"] for one in ida.get(f"/threads/{key()}/messages")] == ["Which comes first?", "The shorter one."]
    assert question["author"] == ida.person.id
    example = {"text": "The shorter one is better.", "about": "order", "reach": "all"}
    doubts = lead.post(f"/threads/{key()}/doubts", example)
    assert doubts == [{"kind": "ranking", "judgement": "s1", "labeler": "anna"}]
    assert lead.post(f"/threads/{key()}/example", {**example, "about": "taste"}, status=400)
    made = lead.post(f"/threads/{key()}/example", example, status=201)
    assert made == {"version": "comparison-2", "doubts": doubts}
    told = ida.get("/instructions/comparison-2")
    assert (told["before"], told["read"]) == ("comparison-1", False) and "The shorter one is better." in told["text"]


@ONLY_SQLITE
def test_a_lead_looks_after_labelers_and_nobody_else(call: Call, desk: Desk, clock: Clock) -> None:
    lead, ida, admin = call("lead"), call("labeler", "Ida"), call("admin")
    made = lead.post("/invitations", {"role": "labeler", "group": "heldout", "note": " Hal "}, status=201)
    assert made["link"].startswith("http://desk.example/enter/")
    (listed,) = lead.get("/invitations")
    assert (listed["role"], listed["group"], listed["note"]) == ("labeler", "heldout", "Hal")
    for role, group in (("admin", ""), ("labeler", "researcher"), ("king", "")):
        lead.post("/invitations", {"role": role, "group": group}, status=403)
    lead.delete(f"/invitations/{listed['id']}")
    assert accounts.invitation(desk.store, made["link"].rpartition("/")[2], now=clock.now) is None
    lead.delete(f"/invitations/{listed['id']}", status=404)
    assert {one["name"]: one["is_mine"] for one in lead.get("/people")} == {"admin": False, "Ida": True, "lead": False}
    lead.put(f"/people/{ida.person.id}/active", {"active": False}, status=204)
    ida.get("/me", status=401)
    lead.put(f"/people/{admin.person.id}/active", {"active": False}, status=403)
    admin.put(f"/people/{admin.person.id}/active", {"active": False}, status=400)
    lead.put("/people/none/active", {"active": False}, status=404)
    assert lead.post(f"/people/{ida.person.id}/renewal", status=201)["link"].startswith("http://desk.example/enter/")
    done = {one.event.action for one in audit.find(desk.store) if one.event.actor == lead.person.id}
    assert done - {"person.enter", "token.make"} == {
        "invitation.make",
        "invitation.withdraw",
        "person.suspend",
        "token.use",
    }


def test_tasks_are_filed_all_or_none_and_once(call: Call, desk: Desk) -> None:
    lead = call("lead")
    for name in ("a", "b"):
        desk.prompt(name)
        desk.outputs(name, 2)
    new = [
        {
            "id": f"batch-{name}",
            "kind": "rank",
            "purpose": "train",
            "prompt_id": name,
            "completion_ids": [f"{name}-sft-0", f"{name}-sft-1"],
            "instruction_version": "comparison-1",
        }
        for name in ("a", "b")
    ]
    assert lead.put("/tasks", {"tasks": [new[0], {**new[1], "prompt_id": "none"}]}, status=404)
    assert lead.put("/tasks", {"tasks": [new[0], {**new[1], "kind": "sing"}]}, status=400)
    assert tasks.counts(desk.store) == []
    for _ in range(2):
        assert lead.put("/tasks", {"tasks": new}) == {"tasks": 2}
    (count,) = lead.get("/progress")
    told = {"kind": "rank", "purpose": "train", "group": "training", "tasks": 2, "closed": 0, "wanted": 2, "done": {}}
    assert count.items() >= told.items()
    assert lead.put("/tasks", {"tasks": [{**new[0], "overlap": 2}]}, status=400)
    assert lead.put("/tasks", {"tasks": [{**new[0], "group": "all"}]}, status=400)["error"]["param"] == "tasks"


def test_prompts_that_may_not_be_shown_are_not_listed(call: Call, desk: Desk) -> None:
    lead = call("lead")
    for name in ("a", "b", "c"):
        desk.prompt(name)
    desk.outputs("b", 2)
    desk.prompt("d", pii="quarantined")
    desk.prompt("e", consent="")
    first = lead.get("/prompts?limit=2")
    assert [one["id"] for one in first["items"]] == ["a", "b"]
    assert first["items"][1]["completions"] == ["b-sft-0", "b-sft-1"]
    rest = lead.get(f"/prompts?limit=2&after={first['next']}")
    assert ([one["id"] for one in rest["items"]], rest["next"]) == (["c"], None)
    assert lead.get("/prompts?split=validation")["items"] == []


def test_pages_of_submissions_hold_each_once_while_more_come_in(call: Call, desk: Desk) -> None:
    lead = call("researcher")
    for number in range(5):
        desk.task(f"p{number}", "rank", k=2)
    held = desk.lease("anna")
    # Three at one time: their ids decide the order.
    desk.submit(*(ranking(one, name=f"s{4 - number}") for number, one in enumerate(held[:3])), at=5)
    first = lead.get("/submissions?limit=2")
    assert [one["id"] for one in first["items"]] == ["s2", "s3"]
    desk.submit(ranking(held[3], name="s0"), at=6)
    second = lead.get(f"/submissions?limit=2&after={first['next']}")
    assert ([one["id"] for one in second["items"]], second["next"]) == (["s4", "s0"], None)
    assert second["items"][0]["created"] == (NOW + timedelta(seconds=5)).isoformat().replace("+00:00", "Z")
    assert lead.get("/submissions?labeler=ben")["items"] == []
    assert [one["id"] for one in lead.get("/submissions?labeler=anna&task_id=t-p3&group=training")["items"]] == ["s0"]


def test_an_export_is_the_rows_and_says_where_they_come_from(call: Call, desk: Desk) -> None:
    lead = call("lead")
    desk.task("r", "rank", k=2)
    desk.task("e", "rank", k=2, purpose="evaluation", instruction_version="evaluation-1", group="heldout")
    (held,) = desk.lease("hal")
    rated = {one.id: Judgement(quality=3) for one in held.outputs}
    desk.submit(ranking(desk.lease("anna")[0]), ranking(held, name="s2", ratings=rated))
    answer = lead.ask("GET", "/exports/reward")
    assert answer.headers["content-type"] == "application/x-ndjson"
    (row,) = [json.loads(line) for line in answer.text.splitlines()]
    assert row["prompt_id"] == "r" and sorted(row["completions"]) == ["r answer 0", "r answer 1"]
    manifest = lead.get("/exports/reward/manifest")
    assert (manifest["rows"], manifest["sha256"]) == (1, hashlib.sha256(answer.content).hexdigest())
    table = parquet.read_table(io.BytesIO(lead.ask("GET", "/exports/reward/parquet").content))
    assert [one["prompt_id"] for one in table.to_pylist()] == ["r"]
    assert lead.ask("GET", "/exports/reward?kind=simulated").text == ""
    lead.get("/exports/reward?split=test", status=400)
    lead.get("/exports/everything", status=400)
    # Labels that measure models leave when asked for as such, and never otherwise.
    assert lead.ask("GET", "/exports/ratings").text == ""
    measured = lead.ask("GET", "/exports/ratings?purpose=evaluation&group=heldout").text.splitlines()
    found = [(row["prompt_id"], row["quality"], row["policy"]) for row in map(json.loads, measured)]
    assert found == [("e", 3, "sft")] * 2
    lead.get("/exports/ratings?group=heldout", status=400)
    lead.get("/exports/toxicity", status=400)


@ONLY_SQLITE
def test_an_administrator_reads_and_checks_the_log(call: Call, desk: Desk) -> None:
    admin = call("admin")
    admin.post("/invitations", {"role": "lead"}, status=201)
    entries = admin.get("/log?limit=2")
    assert [one["action"] for one in entries] == ["token.use", "invitation.make"]
    assert entries[0]["details"] == {"token": admin.get("/me")["token"]["id"]}
    older = admin.get(f"/log?before={entries[-1]['number']}&limit=1")
    assert older[0]["number"] == entries[-1]["number"] - 1
    head = audit.verify(desk.store)
    assert admin.get("/log/check") == {"rows": head.rows, "hash": head.hash}
    admin.get(f"/log?before={10**30}", status=400)
