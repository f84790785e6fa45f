"""Conversations of labelers with leads and researchers, and how an answer becomes a worked example.

Pages and the API call the same rules.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import get_args

from tutelage.errors import DataError, MissingError
from tutelage.feedback import instructions, work
from tutelage.feedback.actor import Actor
from tutelage.feedback.instructions import NewExample, Reach
from tutelage.feedback.work import Assignment
from tutelage.store import Store, accounts, drafts, guidance, messages, prompts, tasks
from tutelage.store.accounts import Person, Role
from tutelage.store.guidance import Doubt
from tutelage.store.messages import Line, Message, Thread

#: Who reads and answers all conversations; others see their own.
ANSWERERS: tuple[Role, ...] = ("lead", "researcher", "admin")
REACHES: tuple[Reach, ...] = get_args(Reach)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """A worked example as somebody asks for it: its text, what it teaches, which earlier labels it concerns.

    `base` names instructions for a conversation that is about no work.
    """

    text: str
    about: str
    reach: str
    base: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """The first message of a conversation; `draft` and `output` name what of one's own work it is about."""

    id: str
    text: str
    draft: str = ""
    output: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class To:
    """Whom to write to, and about what: an assignment and the output by the id that this labeler saw."""

    labeler: str
    assignment_id: str = ""
    output: str = ""


def lines(store: Store, person: Person) -> list[Line]:
    """Return one's own conversations, or all of them for those who answer, the latest first."""
    return messages.lines(store, person.id, person="" if person.role in ANSWERERS else person.id)


def get(store: Store, person: Person, thread: str) -> Thread:
    """Return a conversation that this person may read."""
    found = messages.get(store, thread)
    if person.role not in ANSWERERS and found.person != person.id:
        # The same as for one that is not there: who else asked something is nobody's business.
        raise MissingError("There is no such conversation; go back to the list.")
    return found


def drafted(store: Store, person: Person, draft: str) -> Assignment | None:
    """Return the work that one's own draft is of, None for no draft."""
    # An assignment's own id names its task and so, often, what it is for; a draft's id names nothing.
    if not draft:
        return None
    return work.shown(store, drafts.get(store, draft, person.labeler).assignment_id, person.labeler)


def ask(store: Store, actor: Actor, question: Question, *, now: datetime) -> Thread:
    """Open a conversation with its first message, after which it is named: asking twice opens one."""
    held, output = drafted(store, actor.person, question.draft), question.output
    if output and output not in ([one.id for one in held.outputs] if held else []):
        raise DataError("There is no such output in this task; go back to it and ask again.")
    made = Thread(id=question.id, person=actor.person.id, assignment_id=held.id if held else "", output=output)
    _send(store, actor, made.id, question.id, question.text, now=now, opening=made)
    return made


def reply(store: Store, actor: Actor, thread: str, key: str, text: str, *, now: datetime) -> None:
    """Add a message to a conversation that one may read; `key` names it, so that sending twice counts once."""
    _send(store, actor, get(store, actor.person, thread).id, key, text, now=now)


def people_of(store: Store) -> dict[str, Person]:
    """Return, by pseudonym, the labelers who can be written to."""
    return {one.labeler: one for one in accounts.all_people(store) if one.labeler}


def begin(store: Store, actor: Actor, to: Sequence[To], text: str, key: str, *, now: datetime) -> list[str]:
    """Send one message to each, as a conversation of its own; return their names.

    `key` names them, so that beginning twice begins each once.
    """
    known = people_of(store)
    if not to or not all(one.labeler in known for one in to):
        raise DataError("Choose at least one labeler who has an account.")
    names = [f"{key}-{number}" for number in range(len(to))]
    for name, one in zip(names, to, strict=True):
        opening = Thread(id=name, person=known[one.labeler].id, assignment_id=one.assignment_id, output=one.output)
        _send(store, actor, name, name, text, now=now, opening=opening)
    return names


def as_seen(store: Store, labeler: str, assignment: str, completion: str) -> To:
    """Return whom and what to write about: a completion under the id by which this labeler saw it, if they did."""
    if not assignment:
        return To(labeler=labeler)
    outputs = work.shown(store, assignment, labeler).outputs
    presented = tasks.holdings(store, [assignment])[assignment].presented
    ids = {known: output.id for known, output in zip(presented, outputs, strict=True)}
    return To(labeler=labeler, assignment_id=assignment, output=ids.get(completion, ""))


def about(store: Store, thread: Thread) -> Assignment | None:
    """Return the work that a conversation is about, as its labeler saw it."""
    if not thread.assignment_id:
        return None
    return work.shown(store, thread.assignment_id, accounts.get(store, thread.person).labeler)


def base(store: Store, thread: Thread, named: str = "") -> str:
    """Return the newest version of the instructions that a conversation is about; `named` if it is about no work."""
    held = about(store, thread)
    version = held.instruction_version if held else named or instructions.COMPARISON
    return instructions.newest(store, version).version


def in_doubt(store: Store, thread: Thread, wish: Wish) -> list[Doubt]:
    """Return the labels that an example would put in doubt."""
    return guidance.in_doubt(store, instructions.scope_of(store, _new(store, thread, wish)))


def publish(
    store: Store, actor: Actor, thread: Thread, wish: Wish, *, now: datetime
) -> tuple[guidance.Example, Sequence[Doubt]]:
    """Publish the next version of the instructions with the example; return it with the labels that it doubts."""
    new = _new(store, thread, wish)
    audited = actor.audited(store, "instructions.example", thread.id, now=now, base=new.base)
    return instructions.publish_example(audited, new, by=actor.person.id, now=now)


def _new(store: Store, thread: Thread, wish: Wish) -> NewExample:
    held = about(store, thread)
    reach = next((one for one in REACHES if one == wish.reach), None)
    if reach is None:
        raise DataError("Choose which earlier labels the example puts in doubt.")
    prompt = held.prompt_id if held else ""
    return NewExample(
        base=base(store, thread, wish.base),
        text=wish.text,
        about=wish.about,
        reach=reach,
        prompt_id=prompt,
        use_case=prompts.get(store, [prompt])[prompt].use_case if prompt else "",
        thread=thread.id,
    )


def _send(  # noqa: PLR0913 - who says what, where, under which key
    store: Store, actor: Actor, thread: str, key: str, text: str, *, now: datetime, opening: Thread | None = None
) -> None:
    audited = actor.audited(store, "message.send", thread, now=now)
    made = Message(id=key, thread=thread, author=actor.person.id, text=text)
    messages.send(audited, made, now=now, opening=opening)
