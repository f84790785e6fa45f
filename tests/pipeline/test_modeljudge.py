"""Judges that are not people at the queue of people: whose labels are whose, what is given back, and going on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from fastapi.responses import Response
from typer.testing import CliRunner

from tests.feedback.conftest import NOW, Desk
from tests.labelers.peer import Peer, Script, answering, likes_longer, shown
from tutelage.cli import app
from tutelage.config import from_dict
from tutelage.errors import DataError, UnavailableError
from tutelage.evaluate import people as evaluation
from tutelage.evaluate.people import Asking
from tutelage.evaluate.records import Output
from tutelage.feedback import export, instructions, people, work
from tutelage.feedback.views import agreement
from tutelage.labelers.endpoint import EndpointLabeler, ModelJudgeSettings
from tutelage.labelers.rubric import make_labelers
from tutelage.pipeline.labeling import work_through
from tutelage.pipeline.modeljudge import Judged, cost, let_judge
from tutelage.records import Group, Labeler
from tutelage.starter.rows import Rubric
from tutelage.store import Store, judged, labels
from tutelage.store.judged import Looked

RUBRIC = Rubric(require=(("answer",),))


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A SQLite store with instructions; both databases are tried where the queue itself is."""
    with Store.open(f"sqlite:///{tmp_path / 'store.db'}") as store:
        instructions.publish_defaults(store, now=NOW)
        yield Desk(store)


def judge_of(peer: Peer, **settings: Any) -> EndpointLabeler:
    tree = {"url": peer.url, "model": "judge-1", "group": "training", "attempts": 1, **settings}
    return EndpointLabeler(from_dict(ModelJudgeSettings, tree, "a test"))


def run(desk: Desk, script: Script, limit: int | None = None, **settings: Any) -> tuple[Judged, Peer]:
    with answering(script) as peer, closing(judge_of(peer, **settings)) as labeler:
        return let_judge(desk.store, labeler, lambda _: None, limit), peer


def orders(desk: Desk) -> list[str]:
    """Return who ranked, whatever the purpose."""
    return [row.labeler for row in labels.rankings_of(desk.store, labels.Which(purpose="train"))]


def test_labels_of_people_models_and_rules_never_mix(desk: Desk) -> None:
    desk.labelers("anna", "ben")
    rubrics = {f"Prompt p{n}": RUBRIC for n in range(2)}
    dealt = make_labelers(rubrics, 1, "training", 2)
    people.register(desk.store, [Labeler(id=one.id, group="training", kind=one.kind) for one in dealt], now=NOW)
    for n in range(2):
        desk.task(f"p{n}", k=3, overlap=5)
    for name in ("anna", "ben"):
        for held in desk.lease(name):
            groups = [[output.id] for output in held.outputs]
            made = work.Submission(id=held.id, assignment_id=held.id, labeler=name, groups=groups)
            desk.submit(made)
    assert work_through(desk.store, dealt, "training", lambda _: None) == 4
    found, _ = run(desk, likes_longer)
    assert (found.handed_in, found.given_back) == (2, 0)
    kinds = {"human": {"anna", "ben"}, "simulated": {one.id for one in dealt}, "model": {"judge-1-training"}}
    assert judged.kinds(desk.store) == sorted(kinds)
    for kind, names in kinds.items():
        rows = list(export.reward(desk.store, kind=kind))  # type: ignore[arg-type]
        assert {row.labeler for row in rows} == names and len(rows) == 2 * len(names)
        view = agreement.of(desk.store, Looked(task="comparison", kind=kind))  # type: ignore[arg-type]
        assert {name for by in view.orders.values() for name in by} == names


def test_evaluations_tell_the_kinds_apart(desk: Desk) -> None:
    prompt = desk.prompt("p", split="test", stage="evaluation")
    outputs = [
        Output(seed=1, prompt_id=prompt, model=model, text=text, finish_reason="stop")
        for model, text in (("old", "No."), ("new", "The answer is yes."))
    ]
    asking = Asking(instruction_version=instructions.EVALUATION, overlap=3)
    work.file_tasks(desk.store, evaluation.ask(desk.store, outputs, asking, now=NOW), now=NOW)
    dealt = make_labelers({"Prompt p": RUBRIC}, 1, "heldout", 1)
    group: Group = "heldout"
    people.register(desk.store, [Labeler(id=dealt[0].id, group=group, kind="simulated")], now=NOW)
    work_through(desk.store, dealt, "evaluation", lambda _: None)
    _, peer = run(desk, likes_longer, group=group)
    assert all("truthful and doing no harm. Being" in body["messages"][0]["content"] for body in peer.bodies)
    for kind, name in (("simulated", dealt[0].id), ("model", "judge-1-heldout")):
        found = evaluation.collect(desk.store, outputs, asking, kind)  # type: ignore[arg-type]
        assert [row.labeler for row in found.rankings] == [name]
        assert {source.kind for source in found.sources} == {kind}
    assert found.rankings[0].ranks == {"new": 0, "old": 1}
    assert not list(export.reward(desk.store, kind="model"))


def test_what_it_cannot_judge_is_given_back_and_waits_for_others(desk: Desk) -> None:
    desk.labelers("anna")
    for n in range(2):
        desk.task(f"p{n}", k=2)

    def say(messages: list[dict[str, str]]) -> str:
        return "hm" if "p0" in shown(messages)["REQUEST"] else likes_longer(messages)

    found, _ = run(desk, say)
    assert (found.handed_in, found.given_back, found.counts.unreadable) == (1, 1, 2)
    assert "1 tasks judged, 1 given back without a label" in found.sentence()
    assert "2 replies unreadable" in found.sentence()
    assert run(desk, say)[0].given_back == 0
    assert [held.prompt_id for held in desk.lease("anna")] == ["p0"]
    assert orders(desk) == ["judge-1-training"]


def test_a_failed_endpoint_keeps_what_was_judged_and_the_same_call_goes_on(desk: Desk) -> None:
    for n in range(3):
        desk.task(f"p{n}", k=2)
    asked = 0

    def say(messages: list[dict[str, str]]) -> str | Response:
        nonlocal asked
        asked += 1
        return likes_longer(messages) if asked <= 6 else Response(status_code=503)

    with pytest.raises(UnavailableError, match="status 503; 1 attempts"):
        run(desk, say, at_once=1)
    # Two ratings and one pair in both orders are four requests: the second task failed half-way.
    assert orders(desk) == ["judge-1-training"]
    found, _ = run(desk, likes_longer)
    assert found.handed_in == 2
    assert orders(desk) == ["judge-1-training"] * 3


def test_wrong_settings_give_no_task_back(desk: Desk) -> None:
    desk.task("p0", k=2)
    with pytest.raises(DataError, match="refuses a request"):
        run(desk, lambda _: Response('{"error": {"message": "no temperature"}}', 400))
    assert run(desk, likes_longer)[0].handed_in == 1


def test_a_persons_name_is_no_judges_name(desk: Desk) -> None:
    desk.labelers("anna")
    with pytest.raises(DataError, match="anna is registered as human"):
        run(desk, likes_longer, name="anna")


def test_it_stops_after_as_many_tasks_as_told(desk: Desk) -> None:
    for n in range(3):
        desk.task(f"p{n}", k=2)
    assert run(desk, likes_longer, limit=2)[0].handed_in == 2


def test_the_cost_is_what_the_tokens_cost(desk: Desk) -> None:
    desk.task("p0", k=2)
    found, _ = run(desk, likes_longer, input_price=2.5, output_price=10.0)
    # Four requests of 100 and 10 tokens: 400 * 2.5 / 10^6 + 40 * 10 / 10^6.
    assert found.cost == pytest.approx(0.0014)
    assert "4 requests, 400 tokens read, 40 written; cost 0.0014" in found.sentence()
    untold = found.usage._replace(untold=1)
    assert cost(ModelJudgeSettings(url="http://h/v1", model="m"), untold) is None


def test_the_command_says_where_texts_go_and_never_the_key(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TUTELAGE_JUDGE_KEY", "secret-7")
    desk.task("p0", k=2)
    url = f"sqlite:///{tmp_path / 'store.db'}"
    with answering(likes_longer) as peer:
        recipe = tmp_path / "judge.toml"
        recipe.write_text(f'url = "{peer.url}"\nmodel = "judge-1"\ngroup = "training"\n', encoding="utf-8")
        first = CliRunner().invoke(app, ["labels", "judge", str(recipe), "--database", url])
        again = CliRunner().invoke(app, ["labels", "judge", str(recipe), "--database", url])
    assert (first.exit_code, again.exit_code) == (0, 0), first.output
    assert f"judge-1-training (model, training) sends prompts and outputs to {peer.url}" in first.output
    assert "1 tasks judged, 0 given back without a label; the order changed 0 of 1 verdicts" in first.output
    assert "Nothing waits for the group training." in again.output
    assert {one["authorization"] for one in peer.headers} == {"Bearer secret-7"}
    assert "secret-7" not in first.output + again.output
