"""The Python client against a served app: the guide's examples, retries that count once, plain errors."""

from __future__ import annotations

import json
import re
import runpy
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import httpx2
import pytest

from tests.feedback.app.api.test_permissions import TABLE
from tests.feedback.conftest import Desk, ranking
from tests.feedback.panel import hand_in, rated
from tests.feedback.people import someone
from tests.labeling import PASSWORD, address, invited
from tutelage.errors import DataError, UnavailableError
from tutelage.feedback import client as client_module
from tutelage.feedback.client import ApiRefusal, Client, enter, read_link
from tutelage.feedback.wire.tasks import Task
from tutelage.feedback.wire.work import HandedIn
from tutelage.store import labels, tasks, tokens
from tutelage.store.accounts import Role
from tutelage.store.labels import Which
from tutelage.web.site import utc_now

__all__ = ["address"]

ONLY_SQLITE = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
ROOT = Path(__file__).parents[4]
EXAMPLES = ROOT / "docs" / "guide" / "examples" / "labeling"
PAGE = (ROOT / "docs" / "guide" / "api.md").read_text(encoding="utf-8")


@pytest.fixture
def token(desk: Desk) -> Callable[[Role], str]:
    """Give a function that makes a token of a new person, by the real clock, which the served app has."""

    numbers = count()

    def make(role: Role) -> str:
        person = someone(desk.store, role, f"{role} {next(numbers)}")
        return tokens.make(desk.store, person.id, "a program", days=1, now=utc_now())

    return make


@pytest.fixture
def run(address: str, token: Callable[[Role], str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Give a function that runs an example of the guide for a person of a role and returns what it printed."""

    def example(name: str, role: Role, *arguments: str, typed: Iterator[str] | None = None) -> list[str]:
        printed: list[str] = []
        monkeypatch.setenv("TUTELAGE_TOKEN", token(role))
        monkeypatch.setattr(sys, "argv", [name, address, *arguments])
        names = {"print": printed.append, "input": lambda _: next(typed or iter(()))}
        runpy.run_path(str(EXAMPLES / name), names, "__main__")
        return printed

    return example


class Flaky(httpx2.BaseTransport):
    """A network that loses the first `lost` answers after the server has done what was asked."""

    def __init__(self, lost: int) -> None:
        self.lost, self.sent = lost, 0
        self._inner = httpx2.HTTPTransport()

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        answer = self._inner.handle_request(request)
        self.sent += 1
        if self.sent <= self.lost:
            answer.close()
            raise httpx2.ReadError("the connection broke", request=request)
        return answer

    def close(self) -> None:
        self._inner.close()


@ONLY_SQLITE
def test_an_engineer_pulls_labels(desk: Desk, run: Callable[..., list[str]], tmp_path: Path) -> None:
    desk.task("r", "rank", k=2, prompt={"text": "one\u2028line\n"})
    desk.submit(ranking(desk.lease("anna")[0], active_ms=700_000))
    printed = run("pull.py", "researcher", str(tmp_path / "labels"))
    assert printed[0].startswith("1 rankings, sha256 ") and printed[1] == "1 rankings took more than ten minutes"
    (row,) = (tmp_path / "labels" / "rows.jsonl").read_text(encoding="utf-8").removesuffix("\n").split("\n")
    assert json.loads(row)["prompt"] == "one\u2028line\n"


@ONLY_SQLITE
def test_a_lead_files_tasks(desk: Desk, run: Callable[..., list[str]]) -> None:
    for name, outputs in (("a", 4), ("b", 3), ("c", 5)):
        desk.prompt(name, stage="reward")
        desk.outputs(name, outputs)
    for _ in range(2):
        printed = run("file_tasks.py", "lead", "may")
        assert printed == ["2 tasks are filed", "rank for train, training: 0 of 2 are done"]
    (filed,) = tasks.counts(desk.store)
    assert (filed.tasks, filed.kind, filed.purpose) == (2, "rank", "train")


@ONLY_SQLITE
def test_a_lead_looks_at_figures(desk: Desk, run: Callable[..., list[str]]) -> None:
    desk.task("p", k=2, overlap=2)
    for labeler in ("anna", "ben"):
        hand_in(desk, labeler, "t-p", order=[[0], [1]], ratings=rated(1, 2, violent=labeler == "anna"))
    printed = run("look.py", "researcher")
    assert printed[0] == "rank for train: 2 of 2 labels, 0 left"
    assert printed[1].startswith("training: 100% agreement [")
    assert printed[2:] == ["p: 2 labelers do not agree that it is violent"]


@ONLY_SQLITE
def test_somebody_comes_in_by_a_link_and_works(desk: Desk, address: str) -> None:
    link = f"{address}/enter/{invited(desk.store, 'labeler', 'training', now=utc_now())}"
    assert (read_link(link).role, read_link(link).renews) == ("labeler", "")
    made = enter(link, "Ida", PASSWORD, program="a front end", days=1)
    with Client(address, made.token) as client:
        assert (client.me().name, client.me().token.name) == ("Ida", "a front end")
    with pytest.raises(ApiRefusal, match="used already"):
        enter(link, "Ida", PASSWORD, program="a front end")


def test_the_client_has_a_method_for_every_operation() -> None:
    source = Path(client_module.__file__).read_text(encoding="utf-8")
    found = set(re.findall(r'call\("(\w+)", f?"([^"]+)"', source))
    found |= {("PUT", path) for path in re.findall(r'there = f"([^"]+)"', source)}
    found |= {("GET", path) for path in re.findall(r'(?:pages\([\w.]+, |lines\(f|pieces\(f)"([^"]+)"', source)}

    told = re.findall(r"`(\w+)`", " ".join(line for line in PAGE.splitlines() if line.startswith("| ")))
    assert sorted(told) == sorted(name for name in vars(Client) if not name.startswith("_"))

    def plain(path: str) -> str:
        return re.sub(r"{[^}]*}", "{}", path)

    assert {(method, plain(path)) for method, path in found} == {(m.upper(), plain(path)) for m, path, _ in TABLE}


@ONLY_SQLITE
def test_a_labeler_writes_at_the_terminal(desk: Desk, run: Callable[..., list[str]]) -> None:
    desk.task("d", "demonstrate")
    desk.task("e", "demonstrate")
    printed = run("write.py", "labeler", typed=iter(["", "A first answer.", ""]))
    assert printed[0].startswith("#") and printed[1:] == ["Prompt d", "Prompt e"]
    (made,) = labels.demonstrations_of(desk.store, Which())
    assert (made.text, made.prompt_id) == ("A first answer.", "d")


@ONLY_SQLITE
def test_an_answer_that_was_lost_is_asked_for_again_and_counts_once(
    desk: Desk, address: str, token: Callable[[Role], str]
) -> None:
    desk.task("d", "demonstrate")
    flaky = Flaky(lost=0)
    with Client(address, token("labeler"), transport=flaky) as client:
        client.acknowledge("demonstration-1")
        work = client.take("demonstrate")
        assert work and client.desk().begun[0].id == work.id
        flaky.lost = flaky.sent + 1
        made = client.hand_in(work.id, HandedIn(text="once"))
        assert [one.id for one in client.revisions(work.id)] == [made.id]
        assert flaky.sent == flaky.lost + 2  # the repeated one, and the list
        flaky.lost = flaky.sent + 1
        with pytest.raises(UnavailableError, match="the connection broke; check the address"):
            client.take("demonstrate")  # taking is not repeated
        assert flaky.sent == flaky.lost


@ONLY_SQLITE
def test_refusals_are_sentences_with_a_word_for_programs(address: str, token: Callable[[Role], str]) -> None:
    with Client(address, "no token") as client, pytest.raises(ApiRefusal, match="account page") as refused:
        client.me()
    assert (refused.value.status, refused.value.code) == (401, "invalid_token")
    with Client(address, token("lead")) as client:
        with pytest.raises(ApiRefusal) as refused:
            client.desk()
        assert (refused.value.status, refused.value.code) == (403, "wrong_role")
        with pytest.raises(ApiRefusal) as refused:
            next(client.export("everything"))
        assert (refused.value.status, refused.value.param) == (400, "what")
        with pytest.raises(DataError, match="is empty"):
            client.messages("")
    with Client(address + "/nowhere", "x") as client, pytest.raises(ApiRefusal):
        client.me()
    with Client("http://127.0.0.1:9", "x") as client, pytest.raises(UnavailableError, match="cannot be reached"):
        client.take("rank")


@ONLY_SQLITE
def test_lists_are_read_to_their_end(desk: Desk, address: str, token: Callable[[Role], str]) -> None:
    for number in range(120):
        desk.prompt(f"p{number:03}")
    with Client(address, token("lead")) as client:
        assert [one.id for one in client.prompts()] == [f"p{number:03}" for number in range(120)]
        new = [
            Task(
                id=f"t{number}",
                kind="demonstrate",
                purpose="train",
                prompt_id=f"p{number:03}",
                instruction_version="demonstration-1",
            )
            for number in range(3)
        ]
        assert client.file_tasks(new) == 3
        assert [(one.tasks, one.closed) for one in client.progress()] == [(3, 0)]


def test_the_client_needs_no_database_and_no_server() -> None:
    program = (
        "import sys, tutelage.feedback.client;"
        "sys.exit(','.join({'torch', 'sqlalchemy', 'fastapi', 'jinja2'} & sys.modules.keys()) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_page_shows_what_the_examples_do() -> None:
    scripts = [path.read_text(encoding="utf-8") for path in EXAMPLES.glob("*.py")]
    shown = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert len(shown) == len(scripts) == 4
    for block in shown:
        assert any(block in script for script in scripts), block
    for path in EXAMPLES.glob("*.py"):
        assert f"python {path.name} " in PAGE
