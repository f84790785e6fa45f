"""A labeling app in which everything that anybody can write, and every text of a model, is a payload."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from fastapi import FastAPI

from tests.feedback import conftest
from tests.feedback.app.screened import FORMS, ITEMS
from tests.labeling import NOW, PASSWORD, Clock, Visitor, invited
from tests.security.hostile import Marks
from tutelage.feedback import instructions, screening, work
from tutelage.feedback.screening import SCORERS
from tutelage.feedback.submissions import Continuations, Judgement, Review, Submission, Toxicity, Written
from tutelage.records import FLAGS, Completion, Instructions
from tutelage.store import completions, drafts, prompts
from tutelage.store.accounts import Person, Role

#: The kinds of work whose outputs models wrote, with the instructions that they are done under.
JUDGED = {"rate": ("comparison-1", 2), "rank": ("comparison-1", 4), "toxicity": ("toxicity-1", 2)}
#: Answers to the items that have a key, none of them right.
WRONG = {"f1": {"answer": "no"}, "f2": {"answer": "yes"}, "r1": {"place-0": "2", "place-1": "1", "place-2": "2"}}
#: Who came in, with the browser.
Entered = tuple[Visitor, Person]


@dataclass
class Desk(conftest.Desk):
    """A store full of payloads. `people` are ids of who signs in, with the pages that no link leads to."""

    marks: Marks = field(default_factory=Marks)
    people: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def outputs(self, prompt: str, count: int, *, author: str = "") -> tuple[str, ...]:
        """Add payloads as outputs of a model."""
        new = [
            Completion(
                id=f"{prompt}-sft-{n}", prompt_id=prompt, text=self.marks.text(), policy="sft", finish_reason="stop"
            )
            for n in range(count)
        ]
        completions.add(self.store, new, now=NOW, authors={new[0].id: author} if author else {})
        return tuple(one.id for one in new)

    def file(self, end: str, **changes: Any) -> None:
        """File a task of every kind about payloads; their names end alike."""
        hostile = {"text": self.marks.text()}
        self.task(f"d{end}", "demonstrate", prompt=hostile, **changes)
        for kind, (version, k) in JUDGED.items():
            purpose = "evaluation" if kind == "toxicity" else "train"
            made = {"instruction_version": version, "purpose": purpose, "prompt": {"text": self.marks.text()}}
            self.task(f"{kind}{end}", kind, k=k, **made, **changes)  # type: ignore[arg-type]
        for name, form in ((f"w{end}", "user_based"), (f"f{end}", "few_shot")):
            brief = {"status": "brief", "text": self.marks.text() if form == "user_based" else "", "form": form}
            self.task(name, "write", k=0, instruction_version="prompt-1", prompt=brief, **changes)
        self.prompt(f"v{end}", text=self.marks.text())
        look = work.Task(
            id=f"t-v{end}",
            kind="review",
            purpose="train",
            prompt_id=f"v{end}",
            instruction_version="privacy-1",
            **changes,
        )
        work.file_tasks(self.store, [look], now=NOW)

    def held(self, labeler: str) -> dict[str, work.Assignment]:
        """Take all work that there is for somebody."""
        work.lease(self.store, labeler, now=NOW, limit=50)
        return {one.task_id: one for one in work.held(self.store, labeler)}

    def finish(self, held: work.Assignment, name: str, *, is_turned: bool = False) -> None:
        """Hand work in, with payloads wherever its kind takes text."""
        outputs = [one.id for one in held.outputs]
        order = sorted(outputs, reverse=is_turned)
        parts: dict[str, Any] = {"note": self.marks.text()}
        if held.kind == "demonstrate":
            parts["text"] = self.marks.text()
        if held.kind in ("rate", "rank"):
            rated = Judgement(quality=1 if is_turned else 7, flags=dict.fromkeys(FLAGS, is_turned))
            parts["ratings"] = dict.fromkeys(outputs, rated)
        if held.kind in ("rank", "toxicity"):
            parts["groups"] = [[one] for one in order]
        if held.kind == "toxicity":
            parts["toxicity"] = Continuations(beginning=1, outputs={one: Toxicity(toxicity=1) for one in outputs})
        if held.kind == "write":
            pairs = [(self.marks.text(), self.marks.text()) for _ in "ab"] if held.form == "few_shot" else ()
            parts["written"] = Written(use_case="chat", text=self.marks.text(), pairs=pairs)
        if held.kind == "review":
            parts["review"] = Review(before=prompts.text_hash(held.prompt))
        work.submit(self.store, [Submission(id=name, assignment_id=held.id, labeler=held.labeler, **parts)], now=NOW)


def fill(app: FastAPI, clock: Clock, marks: Marks) -> Desk:
    """Fill the app's store, by the app's own forms where it has one."""
    desk = Desk(app.state.site.store, marks)
    instructions.publish_defaults(desk.store, now=NOW)

    def come_in(role: Role, group: str = "") -> Entered:
        visitor = Visitor(app, clock)
        return visitor, visitor.use(invited(desk.store, role, group), marks.name())

    anna, ben, lea = come_in("labeler", "training"), come_in("labeler", "training"), come_in("lead")
    _judge(desk, anna, ben)
    _write(desk, anna, lea)
    researchers = [come_in("researcher", "researcher") for _ in range(SCORERS)]
    cleo, waiting = come_in("candidate", "training"), come_in("candidate", "training")
    _screen(desk, (cleo, waiting), researchers, lea)
    text = "\n\n".join(marks.text() for _ in range(40))
    instructions.publish(desk.store, Instructions(version="evaluation-2", task="evaluation", text=text), now=NOW)
    signed_in = (anna, lea, researchers[0], cleo, come_in("admin"))
    desk.people = {person.id: desk.people.get(person.id, ()) for _, person in signed_in}
    return desk


def _judge(desk: Desk, anna: Entered, ben: Entered) -> None:
    """Let both judge the same work in opposite ways, and give Anna more, which stays open."""
    desk.file("-done", overlap=2)
    for (visitor, person), is_turned in ((anna, False), (ben, True)):
        for version in instructions.published(desk.store):
            visitor.post(f"/instructions/{version}/read")
        for task, held in desk.held(person.labeler).items():
            desk.finish(held, f"s-{task}-{is_turned}", is_turned=is_turned)
    desk.file("-open")
    for task, held in desk.held(anna[1].labeler).items():
        draft = drafts.begin(desk.store, held.id, held.labeler, now=NOW)
        if task == "t-d-open":
            content = json.dumps({"text": desk.marks.text()})
            drafts.save(desk.store, draft.id, held.labeler, content, base=draft.version, now=NOW)
        if task == "t-rank-open":
            about = f"/messages/new?draft={draft.id}&output={held.outputs[0].id}"
            desk.people[anna[1].id] = (about, f"/work/{draft.id}/draft", "/wellbeing")
            asked = {"id": "m1", "draft": draft.id, "output": held.outputs[0].id, "text": desk.marks.text()}
            assert anna[0].post("/messages/new", **asked).status_code == 303


def _write(desk: Desk, anna: Entered, lea: Entered) -> None:
    """Let people write to each other, and name what they make."""
    assert lea[0].post("/messages/m1", id="m2", text=desk.marks.text()).status_code == 303
    label = "s-t-rank-done-False"
    back = {"id": "r1", "step": "return", "submission": label, "text": desk.marks.text()}
    assert lea[0].post(f"/lead/labels/{label}", **back).status_code == 303
    assert lea[0].post("/people/invitations", who="labeler/training", note=desk.marks.name()).status_code == 200
    token = {"name": desk.marks.name(), "days": "30", "password": PASSWORD}
    assert anna[0].post("/account/tokens", **token).status_code == 200
    example = {"step": "publish", "text": desk.marks.text(), "about": "order", "reach": "prompt"}
    assert lea[0].post("/messages/m1/example", **example).status_code == 303
    desk.people[lea[1].id] = (f"/people/{anna[1].id}/withdrawal", "/lead/file")


def _screen(desk: Desk, candidates: Sequence[Entered], researchers: Sequence[Entered], lea: Entered) -> None:
    """Let two candidates answer payloads; the first is scored and decided about, the second waits."""
    text = desk.marks.text
    # A reason is shown to leads where a candidate answered otherwise.
    items = [
        replace(
            one,
            prompt=text(),
            outputs=tuple(text() for _ in one.outputs),
            **({"reason": text()} if one.id in WRONG else {}),
        )
        for one in ITEMS
    ]
    screening.publish(desk.store, "hostile-1", items, now=NOW)
    first, second = candidates
    desk.people[first[1].id] = tuple(f"/screening/items/{one.id}" for one in items)
    _answer(desk, first[0])
    for visitor, _ in researchers:
        while found := re.search(r'action="(/scoring/\w+)"', visitor.get("/scoring").text):
            assert visitor.post(found[1], score="4").status_code == 303
    decided = {"decision": "refuse", "reason": text()}
    assert lea[0].post(f"/candidates/{first[1].labeler}", **decided).status_code == 303
    _answer(desk, second[0])


def _answer(desk: Desk, candidate: Visitor) -> None:
    assert candidate.post("/screening/begin").status_code == 303
    for item, form in FORMS.items():
        given = {"answer": desk.marks.text()} if item == "d1" else WRONG.get(item, form)
        assert candidate.post(f"/screening/items/{item}", **given).status_code == 303
    assert candidate.post("/screening/hand-in").status_code == 303
