"""Conversations with leads and researchers, pinned to a piece of work; an answer can become a worked example."""

from __future__ import annotations

import secrets

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from tutelage.errors import DataError, UserError
from tutelage.feedback import conversations, instructions
from tutelage.feedback.actor import Actor
from tutelage.feedback.conversations import ANSWERERS, REACHES, Question, Wish
from tutelage.feedback.instructions import ABOUT
from tutelage.feedback.work import Assignment
from tutelage.store import messages
from tutelage.store.accounts import LABELING, Person
from tutelage.store.messages import Thread
from tutelage.web import markdown
from tutelage.web.access import Current, require
from tutelage.web.forms import Fields
from tutelage.web.site import Here, Site

router = APIRouter(prefix="/messages", dependencies=[Depends(require(*LABELING))])


@router.get("")
def overview(request: Request, here: Here, person: Current) -> HTMLResponse:
    """Show one's own conversations, or all of them to those who answer."""
    lines = conversations.lines(here.store, person)
    return here.pages.render(request, "messages.html", lines=lines, answers=person.role in ANSWERERS)


@router.get("/new")
def new(request: Request, here: Here, person: Current, draft: str = "", output: str = "") -> HTMLResponse:
    """Show the form for a question, beside the work that it is about, which is named by one's own draft of it."""
    return _form(request, here, conversations.drafted(here.store, person, draft), {"draft": draft, "output": output})


@router.post("/new")
def open_thread(request: Request, here: Here, person: Current, fields: Fields) -> Response:
    """Open a conversation with its first message."""
    question = Question(
        id=fields.get("id") or secrets.token_hex(8),
        text=fields.get("text", ""),
        draft=fields.get("draft", ""),
        output=fields.get("output", ""),
    )
    about = conversations.drafted(here.store, person, question.draft)
    try:
        made = conversations.ask(here.store, Actor(person=person), question, now=here.now())
    except DataError as error:
        return _form(request, here, about, fields, problem=str(error))
    return RedirectResponse(f"/messages/{made.id}", status_code=303)


@router.get("/{thread}")
def conversation(request: Request, here: Here, person: Current, thread: str) -> HTMLResponse:
    """Show a conversation and remember that it was read."""
    return _page(request, here, person, conversations.get(here.store, person, thread))


@router.post("/{thread}")
def reply(request: Request, here: Here, person: Current, thread: str, fields: Fields) -> Response:
    """Add a message."""
    found = conversations.get(here.store, person, thread)
    try:
        key = fields.get("id") or secrets.token_hex(8)
        conversations.reply(here.store, Actor(person=person), found.id, key, fields.get("text", ""), now=here.now())
    except DataError as error:
        return _page(request, here, person, found, problem=str(error), text=fields.get("text", ""))
    return RedirectResponse(f"/messages/{thread}", status_code=303)


@router.get("/{thread}/example", dependencies=[Depends(require(*ANSWERERS))])
def example(request: Request, here: Here, person: Current, thread: str) -> HTMLResponse:
    """Show the form that makes a worked example of a question."""
    found = conversations.get(here.store, person, thread)
    fields = {"text": _draft(here, found), "about": "order", "reach": "prompt"}
    return _example_form(request, here, found, fields)


@router.post("/{thread}/example", dependencies=[Depends(require(*ANSWERERS))])
def publish_example(request: Request, here: Here, person: Current, thread: str, fields: Fields) -> Response:
    """Show which labels the example would put in doubt, or publish it in the next version of the instructions."""
    found = conversations.get(here.store, person, thread)
    if fields.get("step") != "publish":
        return _example_form(request, here, found, fields)
    try:
        made, _ = conversations.publish(here.store, Actor(person=person), found, _wish(fields), now=here.now())
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
        "about": conversations.about(here.store, thread),
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
        doubts = conversations.in_doubt(here.store, thread, _wish(fields))
    values = {
        "thread": thread,
        "base": conversations.base(here.store, thread, fields.get("base", "")),
        "versions": [one.version for one in instructions.published(here.store).values()],
        "fields": fields,
        "abouts": list(ABOUT),
        "reaches": REACHES if thread.assignment_id else ("all",),
        "preview": markdown.render(fields.get("text", "")) if shown else "",
        "doubts": doubts,
        "problem": problem,
    }
    return here.pages.render(request, "example.html", 400 if problem else 200, **values)


def _wish(fields: dict[str, str]) -> Wish:
    return Wish(**{name: fields.get(name, "") for name in ("text", "about", "reach", "base")})


def _draft(here: Site, thread: Thread) -> str:
    """Begin an example with the texts that the question is about, quoted so that they stay texts."""
    about, words = conversations.about(here.store, thread), here.pages.words
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
