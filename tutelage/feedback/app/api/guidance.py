"""Instructions, conversations, and questions that become worked examples."""

from __future__ import annotations

from fastapi import APIRouter, Depends

from tutelage.errors import DataError
from tutelage.feedback import conversations, instructions
from tutelage.feedback.app.api.access import By, only
from tutelage.feedback.app.api.schema import refusals
from tutelage.feedback.conversations import ANSWERERS, Question, Wish
from tutelage.feedback.views import labels
from tutelage.feedback.wire import guidance as wire
from tutelage.feedback.wire.parts import Key, Name
from tutelage.store import guidance, messages
from tutelage.store.messages import Line

TAG = "guidance"

router = APIRouter()
answering = APIRouter(dependencies=[Depends(only(*ANSWERERS))], responses=refusals(403))


@router.get("/instructions")
def list_instructions(asking: By) -> list[wire.Instructions]:
    """List all versions of instructions, oldest first."""
    read = _read(asking)
    return [
        wire.Instructions(version=one.version, task=one.task, read=one.version in read)
        for one in instructions.published(asking.store).values()
    ]


@router.get("/instructions/{version}", responses=refusals(404))
def read_instructions(asking: By, version: Name) -> wire.InstructionText:
    """Return a version with its text."""
    shown, earlier = instructions.get(asking.store, version), instructions.before(asking.store, version)
    return wire.InstructionText(
        version=shown.version,
        task=shown.task,
        read=version in _read(asking),
        text=shown.text,
        before=earlier.version if earlier else "",
    )


@router.put("/instructions/{version}/read", status_code=204, responses=refusals(404))
def acknowledge_instructions(asking: By, version: Name) -> None:
    """Say that one has read a version; who makes no labels has nothing to say."""
    shown, labeler = instructions.get(asking.store, version), asking.person.labeler
    if labeler:
        audited = asking.actor.audited(asking.store, "instructions.read", shown.version, now=asking.now)
        guidance.acknowledge(audited, labeler, shown.version, now=asking.now)


@answering.get("/instructions/{version}/examples", responses=refusals(404))
def list_examples(asking: By, version: Name) -> list[wire.Taught]:
    """List the worked examples that a version added, with the labels that each put in doubt."""
    instructions.get(asking.store, version)
    return [
        wire.Taught(
            **{name: getattr(one, name) for name in ("id", "author", "about", "text", "thread")},
            doubts=[wire.Doubt.model_validate(doubt) for doubt in guidance.doubts_of(asking.store, one.id)],
        )
        for one in guidance.examples_of(asking.store, version)
    ]


@answering.put("/labelers/{labeler}/threads/{key}", responses=refusals(404, 409))
def write_to_labeler(asking: By, labeler: Name, key: Key, body: wire.Letter) -> wire.Thread:
    """Begin a conversation with a labeler, perhaps about a submission of theirs and a completion that it judged."""
    assignment = labels.of(asking.store, body.submission).latest.assignment_id if body.submission else ""
    to = conversations.as_seen(asking.store, labeler, assignment, body.completion)
    if body.completion and not to.output:
        raise DataError(f"The labeler {labeler} did not see {body.completion!r} there; name a completion of the task.")
    (made,) = conversations.begin(asking.store, asking.actor, [to], body.text, key, now=asking.now)
    return _thread(next(line for line in conversations.lines(asking.store, asking.person) if line.thread.id == made))


@router.get("/threads")
def list_threads(asking: By) -> list[wire.Thread]:
    """List one's own conversations, or all of them for those who answer, the latest first."""
    return [_thread(line) for line in conversations.lines(asking.store, asking.person)]


@router.put("/threads/{key}", responses=refusals(404, 409))
def open_thread(asking: By, key: Key, body: wire.Opening) -> wire.Thread:
    """Open a conversation under a key that the client makes; the same again changes nothing."""
    question = Question(id=key, text=body.text, draft=body.work, output=body.output)
    made = conversations.ask(asking.store, asking.actor, question, now=asking.now)
    mine = messages.lines(asking.store, asking.person.id, person=asking.person.id)
    return _thread(next(line for line in mine if line.thread.id == made.id))


@router.get("/threads/{thread}/messages", responses=refusals(404))
def list_messages(asking: By, thread: Name) -> list[wire.Message]:
    """List what was said in a conversation; reading here marks nothing as read."""
    found = conversations.get(asking.store, asking.person, thread)
    return [wire.Message.model_validate(one) for one in messages.said(asking.store, found.id)]


@router.put("/threads/{thread}/messages/{key}", status_code=204, responses=refusals(404, 409))
def send_message(asking: By, thread: Name, key: Key, body: wire.Reply) -> None:
    """Add a message under a key that the client makes; the same again changes nothing."""
    conversations.reply(asking.store, asking.actor, thread, key, body.text, now=asking.now)


@router.put("/threads/{thread}/read", status_code=204, responses=refusals(404))
def mark_thread_read(asking: By, thread: Name, body: wire.Read) -> None:
    """Say how far one has read; an older number moves nothing back."""
    found = conversations.get(asking.store, asking.person, thread)
    last = messages.said(asking.store, found.id)[-1].number
    messages.mark_read(asking.store, found.id, asking.person.id, min(body.number, last))


@answering.post("/threads/{thread}/doubts", responses=refusals(404))
def preview_doubts(asking: By, thread: Name, body: wire.Example) -> list[wire.Doubt]:
    """List the labels that a worked example would put in doubt; nothing is changed."""
    found = conversations.get(asking.store, asking.person, thread)
    return [wire.Doubt.model_validate(one) for one in conversations.in_doubt(asking.store, found, _wish(body))]


@answering.post("/threads/{thread}/example", status_code=201, responses=refusals(404, 409))
def publish_example(asking: By, thread: Name, body: wire.Example) -> wire.Published:
    """Publish the next version of the instructions with a worked example; labels in doubt are listed, not changed."""
    found = conversations.get(asking.store, asking.person, thread)
    made, doubts = conversations.publish(asking.store, asking.actor, found, _wish(body), now=asking.now)
    return wire.Published(version=made.version, doubts=[wire.Doubt.model_validate(one) for one in doubts])


router.include_router(answering)


def _read(asking: By) -> set[str]:
    labeler = asking.person.labeler
    return guidance.acknowledged(asking.store, labeler) if labeler else set()


def _wish(body: wire.Example) -> Wish:
    return Wish(text=body.text, about=body.about, reach=body.reach, base=body.base)


def _thread(line: Line) -> wire.Thread:
    return wire.Thread(
        id=line.thread.id,
        person=line.thread.person,
        person_name=line.person_name,
        output=line.thread.output,
        beginning=line.beginning,
        last_at=line.last_at,
        waits_for_answer=line.waits_for_answer,
        is_unread=line.is_unread,
    )
