"""What the desk's scripts ask for, on both databases: refusals, repeats, leases, and who may ask."""

from __future__ import annotations

import html
import json
import re
from datetime import timedelta
from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.feedback.conftest import NOW, Desk, database, desk, store
from tests.labeling import QUICK
from tutelage.feedback.app.app import Settings, create
from tutelage.store import accounts, audit, drafts, labels
from tutelage.store.accounts import Offer, Role
from tutelage.store.labels import Which
from tutelage.web.entry import LINK

__all__ = ["database", "desk", "store"]

ID = "0b6f5f0e-9d2b-4f0e-8a3c-000000000001"


class Labeling:
    """A labeler's client on the app, whose clock the test moves."""

    def __init__(self, desk: Desk, name: str = "Ida", role: Role = "labeler", group: Any = "training") -> None:
        self.desk, self.seconds = desk, 0.0
        app = create(desk.store, Settings(now=lambda: NOW + timedelta(seconds=self.seconds), passwords=QUICK))
        self.client = TestClient(app, base_url="http://127.0.0.1")
        token = accounts.invite(desk.store, Offer(role=role, group=group), by="", now=NOW)
        form = {"name": name, "password": "four words do well here"}
        assert self.client.post(f"{LINK}{token}", data=form).status_code == 200
        self.csrf = self.found(r'name="csrf" content="(\w+)"', self.client.get("/").text)

    @staticmethod
    def found(pattern: str, page: str) -> str:
        match = re.search(pattern, page)
        assert match, page
        return html.unescape(match[1])

    def take(self, kind: str) -> dict[str, Any]:
        """Take work by the form of the home page; return what its page tells its script."""
        page = self.client.post("/work/next", data={"csrf": self.csrf, "kind": kind})
        if page.url.path.startswith("/instructions/"):
            read = {"csrf": self.csrf, "next": page.url.params["next"]}
            page = self.client.post(f"{page.url.path}/read", data=read)
        told: dict[str, Any] = json.loads(self.found(r'data-task="([^"]*)"', page.text))
        return told

    def ask(self, method: str, address: str, body: Any = None, **headers: str) -> tuple[int, dict[str, Any]]:
        given = {"x-csrf-token": self.csrf, "accept": "application/json", **headers}
        answer = self.client.request(method, address, json=body, headers=given)
        return answer.status_code, answer.json()


@pytest.fixture
def ida(desk: Desk) -> Labeling:
    desk.task("d", "demonstrate")
    desk.task("r", "rank", k=4)
    return Labeling(desk)


def test_a_page_tells_its_script_nothing_that_is_not_blind(ida: Labeling) -> None:
    told = ida.take("rank")
    assert len(told["outputs"]) == 4
    # Random letters and the names of flags may hold anything.
    rest = json.dumps({name: told[name] for name in told.keys() - {"draft", "flags", "problems"}})
    assert not any(word in rest for word in ("sft", "t-r", "train", "comparison"))


def test_drafts_are_saved_by_version(ida: Labeling) -> None:
    address = f"/work/{ida.take('demonstrate')['draft']}/draft"
    status, saved = ida.ask("PUT", address, {"base": 0, "content": "a"})
    assert (status, saved["version"], saved["is_leased"]) == (200, 1, True)
    assert ida.ask("PUT", address, {"base": 0, "content": "a"})[1]["version"] == 1
    status, refused = ida.ask("PUT", address, {"base": 0, "content": "b"})
    assert (status, refused["error"]["code"]) == (409, "newer_draft")
    assert ida.ask("GET", address)[1]["content"] == "a"


def test_taking_again_gives_what_is_in_hand(ida: Labeling) -> None:
    assert ida.take("rank")["draft"] == ida.take("rank")["draft"]


def test_saving_and_heartbeats_keep_the_lease_and_its_end_is_said(ida: Labeling) -> None:
    draft = ida.take("demonstrate")["draft"]
    ida.seconds = 1700
    assert ida.ask("PUT", f"/work/{draft}/draft", {"base": 0, "content": "a"})[0] == 200
    ida.seconds = 3400
    assert ida.ask("POST", f"/work/{draft}/lease") == (200, {"is_leased": True, "lease_seconds": 1800.0})
    ida.seconds = 9000
    Labeling(ida.desk, "Ben").seconds = 9000
    from tutelage.feedback import work

    work.expire(ida.desk.store, now=NOW + timedelta(seconds=9000))
    status, refused = ida.ask("POST", f"/work/{draft}/lease")
    assert (status, refused["error"]["code"]) == (409, "lease_over")
    # The draft is still saved, and the work still counts.
    assert ida.ask("PUT", f"/work/{draft}/draft", {"base": 1, "content": "b"})[1]["is_leased"] is False
    assert ida.ask("POST", f"/work/{draft}/submission", {"id": ID, "text": "late"})[0] == 200


def test_a_lease_is_written_again_when_it_is_a_minute_old(ida: Labeling) -> None:
    draft = ida.take("demonstrate")["draft"]
    labeler = accounts.all_people(ida.desk.store)[0].labeler

    def left(at: float) -> float:
        ida.seconds = at
        version = drafts.get(ida.desk.store, draft, labeler).version
        ida.ask("PUT", f"/work/{draft}/draft", {"base": version, "content": f"at {at}"})
        return (drafts.get(ida.desk.store, draft, labeler).lease_until - NOW).total_seconds() - at

    assert [left(at) for at in (1, 2, 60, 61, 62, 200)] == [1800, 1799, 1741, 1740, 1800, 1800]


def test_the_last_work_comes_back_when_its_labeler_goes_away(desk: Desk) -> None:
    desk.task("d", "demonstrate")
    ida, ben = Labeling(desk), Labeling(desk, "Ben")
    ida.take("demonstrate")
    assert "There is nothing to label" in ben.client.get("/").text
    ben.seconds = 1800
    assert "There is nothing to label" not in ben.client.get("/").text
    assert ben.take("demonstrate")["state"] == "offered"


def test_handing_in_twice_counts_once_and_another_content_is_refused(ida: Labeling) -> None:
    draft = ida.take("demonstrate")["draft"]
    address = f"/work/{draft}/submission"
    body = {"id": ID, "text": "an answer", "active_ms": 1200, "idle_ms": 30}
    assert ida.ask("POST", address, body) == (200, {"next": f"/?done={draft}"})
    assert ida.ask("POST", address, body)[0] == 200
    status, refused = ida.ask("POST", address, {**body, "text": "another"})
    assert status == 409 and "another content" in refused["error"]["message"]
    (made,) = labels.demonstrations_of(ida.desk.store, Which())
    assert made.text == "an answer"
    audit.verify(ida.desk.store)
    (told,) = [entry.event for entry in audit.find(ida.desk.store) if entry.event.action == "work.submit"]
    assert told.details["submission"] == ID


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"groups": []}, "is not ranked"),
        ({"groups": [["nothing"]]}, "was not presented"),
        ({"ratings": {"x": {"quality": 3}}}, "not exactly the 4 shown"),
        ({"active_ms": -1}, "greater than or equal to 0"),
        ({"id": "short"}, "at least 16 characters"),
        ({"seeded": "yes"}, "boolean"),
        ({"policy": "x"}, "'policy'"),
    ],
)
@pytest.mark.parametrize("database", ["sqlite"], indirect=True)  # it is refused before any database sees it
def test_a_submission_that_does_not_fit_is_refused_and_nothing_is_stored(
    ida: Labeling, change: dict[str, Any], told: str
) -> None:
    task = ida.take("rank")
    body = {"id": ID, "groups": [[output] for output in task["outputs"]], **change}
    status, refused = ida.ask("POST", f"/work/{task['draft']}/submission", body)
    assert status == 400, refused
    assert told in refused["error"]["message"]
    assert labels.rankings_of(ida.desk.store, Which()) == []
    assert "work.submit" not in {entry.event.action for entry in audit.find(ida.desk.store)}


def test_a_request_without_the_sessions_proof_changes_nothing(ida: Labeling) -> None:
    draft = ida.take("demonstrate")["draft"]
    for method, part, body in (("PUT", "draft", {"base": 0, "content": "a"}), ("POST", "submission", {"id": ID})):
        assert ida.ask(method, f"/work/{draft}/{part}", body, **{"x-csrf-token": ""})[0] == 403
    kept = ida.ask("GET", f"/work/{draft}/draft")[1]
    assert (kept["version"], kept["content"]) == (0, "")


def test_the_desk_of_another_is_as_if_it_were_not_there(ida: Labeling) -> None:
    draft = ida.take("demonstrate")["draft"]
    ben = Labeling(ida.desk, "Ben")
    assert ben.client.get(f"/work/{draft}").status_code == 404
    for method, part, body in (
        ("GET", "draft", None),
        ("PUT", "draft", {"base": 0, "content": "a"}),
        ("POST", "lease", None),
        ("POST", "submission", {"id": ID, "text": "x"}),
    ):
        assert ben.ask(method, f"/work/{draft}/{part}", body)[0] == 404


@pytest.mark.parametrize(("role", "group"), [("candidate", "training"), ("lead", ""), ("admin", "")])
def test_only_who_makes_labels_gets_work(desk: Desk, role: Role, group: str) -> None:
    desk.task("d", "demonstrate")
    other = Labeling(desk, "Olga", role, group)
    assert other.client.post("/work/next", data={"csrf": other.csrf, "kind": "demonstrate"}).status_code == 403
    assert drafts.on_desk(desk.store, "") == []


def test_a_heldout_labeler_never_sees_training_work(ida: Labeling) -> None:
    held_out = Labeling(ida.desk, "Hal", group="heldout")
    assert "There is nothing to label" in held_out.client.get("/").text
    answer = held_out.client.post("/work/next", data={"csrf": held_out.csrf, "kind": "rank"}, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")


def test_an_unknown_kind_or_reason_is_a_sentence(ida: Labeling) -> None:
    draft = ida.take("demonstrate")["draft"]
    for address, form in (("/work/next", {"kind": "guess"}), (f"/work/{draft}/skip", {"reason": "bored"})):
        answer = ida.client.post(address, data={"csrf": ida.csrf, **form}, headers={"accept": "application/json"})
        assert answer.status_code == 400 and "choose one of" in answer.json()["error"]["message"]


def test_work_waits_until_its_instructions_are_read(ida: Labeling) -> None:
    page = ida.client.post("/work/next", data={"csrf": ida.csrf, "kind": "rank"})
    assert page.url.path == "/instructions/comparison-1"
    assert "data-task" not in ida.client.get(page.url.params["next"]).text
    assert "data-task" in ida.client.post(f"{page.url.path}/read", data={"csrf": ida.csrf, **page.url.params}).text
