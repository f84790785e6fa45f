"""Conversations with leads and researchers, pinned to a piece of work; an answer can become a worked example."""

from __future__ import annotations

import secrets

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from tutelage.errors import DataError, UserError
from tutelage.feedback import instructions, work
from tutelage.feedback.instructions import ABOUT, NewExample
from tutelage.feedback.work import Assignment
from tutelage.store import accounts, audit, drafts, guidance, messages, prompts
from tutelage.store.accounts import ROLES, Person, Role
from tutelage.store.audit import Event
from tutelage.store.messages import Message, Thread
from tutelage.web import markdown
from tutelage.web.access import Current, require
from tutelage.web.errors import ApiError
from tutelage.web.forms import Fields
from tutelage.web.site import Here, Site

ANSWERERS: tuple[Role, ...] = ("lead", "researcher", "admin")
REACHES = ("prompt", "use_case", "all")
router = APIRouter(prefix="/messages", dependencies=[Depends(require(*ROLES))])


@router.get("")
def conversations(request: Request, here: Here, person: Current) -> HTMLResponse:
    """Show one's own conversations, or all of them to those who answer."""
    lines = messages.lines(here.store, person.id, person="" if person.role in ANSWERERS else person.id)
    return here.pages.render(request, "messages.html", lines=lines, answers=person.role in ANSWERERS)


@router.get("/new")
def new(request: Request, here: Here, person: Current, draft: str = "", output: str = "") -> HTMLResponse:
    """Show the form for a question, beside the work that it is about, which is named by one's own draft of it."""
    return _form(request, here, _drafted(here, person, draft), {"draft": draft, "output": output})


@router.post("/new")
def open_thread(request: Request, here: Here, person: Current, fields: Fields) -> Response:
    """Open a conversation with its first message."""
    about, output = _drafted(here, person, fields.get("draft", "")), fields.get("output", "")
    if output and output not in ([one.id for one in about.outputs] if about else []):
        raise ApiError(400, here.pages.words("messages.no_output"))
    # Named like its first message, so that a form that is sent twice opens one conversation.
    name, held = fields.get("id") or secrets.token_hex(8), about.id if about else ""
    made = Thread(id=name, person=person.id, assignment_id=held, output=output)
    try:
        _send(here, person, made.id, fields, opening=made)
    except DataError as error:
        return _form(request, here, about, fields, problem=str(error))
    return RedirectResponse(f"/messages/{made.id}", status_code=303)


@router.get("/{thread}")
def conversation(request: Request, here: Here, person: Current, thread: str) -> HTMLResponse:
    """Show a conversation and remember that it was read."""
    return _page(request, here, person, _get(here, person, thread))


@router.post("/{thread}")
def reply(request: Request, here: Here, person: Current, thread: str, fields: Fields) -> Response:
    """Add a message."""
    found = _get(here, person, thread)
    try:
        _send(here, person, found.id, fields)
    except DataError as error:
        return _page(request, here, person, found, problem=str(error), text=fields.get("text", ""))
    return RedirectResponse(f"/messages/{thread}", status_code=303)


@router.get("/{thread}/example", dependencies=[Depends(require(*ANSWERERS))])
def example(request: Request, here: Here, person: Current, thread: str) -> HTMLResponse:
    """Show the form that makes a worked example of a question."""
    found = _get(here, person, thread)
    fields = {"text": _draft(here, found), "about": "order", "reach": "prompt"}
    return _example_form(request, here, found, fields)


@router.post("/{thread}/example", dependencies=[Depends(require(*ANSWERERS))])
def publish_example(request: Request, here: Here, person: Current, thread: str, fields: Fields) -> Response:
    """Show which labels the example would put in doubt, or publish it in the next version of the instructions."""
    found = _get(here, person, thread)
    if fields.get("step") != "publish":
        return _example_form(request, here, found, fields)
    try:
        wanted = _wanted(here, found, fields)
        event = Event(actor=person.id, action="instructions.example", subject=thread, details={"base": wanted.base})
        store = audit.audited(here.store, event, now=here.now())
        made, _ = instructions.publish_example(store, wanted, by=person.id, now=here.now())
    except UserError as error:
        return _example_form(request, here, found, fields, problem=str(error))
    return RedirectResponse(f"/instructions/{made.version}", status_code=303)


def _form(
    request: Request, here: Site, about: Assignment | None, fields: dict[str, str], *, problem: str = ""
) -> HTMLResponse:
    kept = {name: fields.get(name, "") for name in ("draft", "output", "text")}
    values = {**kept, "about": about, "problem": problem, "id": secrets.token_hex(8)}
    return here.pages.render(request, "message_new.html", 400 if problem else 200, **values)


def _page(
    request: Request, here: Site, person: Person, thread: Thread, *, problem: str = "", text: str = ""
) -> HTMLResponse:
    said = messages.said(here.store, thread.id)
    messages.mark_read(here.store, thread.id, person.id, said[-1].number)
    values = {
        "thread": thread,
        "said": said,
        "about": _about(here, thread),
        "output": thread.output,
        "answers": person.role in ANSWERERS,
        "problem": problem,
        "text": text,
        "id": secrets.token_hex(8),
    }
    return here.pages.render(request, "message_thread.html", 400 if problem else 200, **values)


def _example_form(
    request: Request, here: Site, thread: Thread, fields: dict[str, str], *, problem: str = ""
) -> HTMLResponse:
    shown = fields.get("step") == "show" and not problem
    doubts = None
    if shown:
        doubts = guidance.in_doubt(here.store, instructions.scope_of(here.store, _wanted(here, thread, fields)))
    values = {
        "thread": thread,
        "base": _base(here, thread, fields),
        "versions": [one.version for one in instructions.published(here.store).values()],
        "fields": fields,
        "abouts": list(ABOUT),
        "reaches": REACHES if thread.assignment_id else ("all",),
        "preview": markdown.render(fields.get("text", "")) if shown else "",
        "doubts": doubts,
        "problem": problem,
    }
    return here.pages.render(request, "example.html", 400 if problem else 200, **values)


def _wanted(here: Site, thread: Thread, fields: dict[str, str]) -> NewExample:
    about, reach = _about(here, thread), fields.get("reach", "")
    if reach not in REACHES:
        raise DataError(here.pages.words("example.choose"))
    prompt = about.prompt_id if about else ""
    use_case = prompts.get(here.store, [prompt])[prompt].use_case if prompt else ""
    return NewExample(
        base=_base(here, thread, fields),
        text=fields.get("text", ""),
        about=fields.get("about", ""),
        reach=reach,  # type: ignore[arg-type]
        prompt_id=prompt,
        use_case=use_case,
        thread=thread.id,
    )


def _base(here: Site, thread: Thread, fields: dict[str, str]) -> str:
    """Return the newest version of the instructions that the question is about."""
    about = _about(here, thread)
    named = about.instruction_version if about else fields.get("base", instructions.COMPARISON)
    return instructions.newest(here.store, named).version


def _draft(here: Site, thread: Thread) -> str:
    """Begin an example with the texts that the question is about, quoted so that they stay texts."""
    about, words = _about(here, thread), here.pages.words
    parts = []
    if about:
        parts.append(f"**{words('example.prompt')}**\n\n{_quoted(about.prompt)}")
        parts += [
            f"**{words('example.output')}**\n\n{_quoted(one.text)}" for one in about.outputs if one.id == thread.output
        ]
    parts.append(f"**{words('example.question')}**\n\n{_quoted(messages.said(here.store, thread.id)[0].text)}")
    parts.append(f"**{words('example.answer')}** ")
    return "\n\n".join(parts)


def _quoted(text: str) -> str:
    # Indented as code, so that nothing in a model's text is read as formatting.
    return "\n".join(f"    {line}" for line in text.splitlines())


def _drafted(here: Site, person: Person, draft: str) -> Assignment | None:
    # An assignment's own id names its task and so, often, what it is for; a draft's id names nothing.
    if not draft:
        return None
    return work.shown(here.store, drafts.get(here.store, draft, person.labeler).assignment_id, person.labeler)


def _about(here: Site, thread: Thread) -> Assignment | None:
    if not thread.assignment_id:
        return None
    return work.shown(here.store, thread.assignment_id, accounts.get(here.store, thread.person).labeler)


def _get(here: Site, person: Person, thread: str) -> Thread:
    found = messages.get(here.store, thread)
    if person.role not in ANSWERERS and found.person != person.id:
        # The same as for one that is not there: who else asked something is nobody's business.
        raise ApiError(404, here.pages.words("messages.none_there"))
    return found


def _send(here: Site, person: Person, thread: str, fields: dict[str, str], opening: Thread | None = None) -> None:
    event = Event(actor=person.id, action="message.send", subject=thread)
    store = audit.audited(here.store, event, now=here.now())
    made = Message(
        id=fields.get("id") or secrets.token_hex(8), thread=thread, author=person.id, text=fields.get("text", "")
    )
    messages.send(store, made, now=here.now(), opening=opening)
