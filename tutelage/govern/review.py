"""What a reviewer looks at: how much an application can harm by what its form says, and what to ask about it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Literal, get_args

from tutelage.store.application_forms import Form, Risk

Tier = Literal["low", "middle", "high"]
#: How long an application may wait for its review.
WAITS = timedelta(days=3)
#: Why a review does not let an application go live; its customer reads the sentence, and then the reviewer's own words.
Code = Literal["unclear", "unread", "too_many", "grave", "not_allowed", "other"]
CODES: tuple[Code, ...] = get_args(Code)
SENTENCES: Mapping[Code, str] = {
    "unclear": "It is not clear what the application does.",
    "unread": "Somebody who knows the subject should read the answers first.",
    "too_many": "It is for more people, or more requests, than its purpose explains.",
    "grave": "It can do more harm than its form takes care of.",
    "not_allowed": "This use is not allowed here.",
    "other": "",
}
#: From so many people on, harm reaches many before anybody sees it.
MANY_PEOPLE = 1000
#: Answers longer than this can be published as they are.
LONG_ANSWER = 500

_GRAVE: frozenset[Risk] = frozenset({"minors", "decisions", "acts_alone"})
_ASKED: dict[Risk, str] = {
    "advice": "Health, law or money: does a person who knows the subject read every answer, and is the reader told "
    "that it is no advice of a professional?",
    "minors": "People under age: who looks after them while they use it, and what happens when they say they are hurt?",
    "persuasion": "Persuading: is it told that a program wrote it, and can nobody be targeted by what they are?",
    "decisions": "Decisions about persons: who decides, what is the model's part in it, and how does one object?",
    "acts_alone": "Acting without a person: what is the worst that one answer can do, and who can stop it?",
    "sensitive": "Sexual or violent content: why is it needed, and how are readers kept from what they did not "
    "ask for?",
}
_ALWAYS = "Does the purpose say who asks what, and what happens with the answer?"


def tier(form: Form) -> Tier:
    """Return how carefully a form is to be read.

    High: grave risks; advice that nobody reads first; persuasion of the public. Middle: any other risk, the public
    without a person who reads first, or very many people.
    """
    risks = set(form.risks)
    is_unread = not form.is_read_first
    if risks & _GRAVE or ("advice" in risks and is_unread) or ("persuasion" in risks and form.audience == "public"):
        return "high"
    if risks or (form.audience == "public" and is_unread) or form.end_users > MANY_PEOPLE:
        return "middle"
    return "low"


def reason(code: Code, said: str) -> str:
    """Return what a customer reads of a review: the sentence of its code, and the reviewer's words."""
    return " ".join(part for part in (SENTENCES[code], said.strip()) if part)


def checklist(form: Form) -> list[str]:
    """Return the questions that a review answers, from the form alone."""
    found = [_ALWAYS, *(_ASKED[risk] for risk in form.risks)]
    if form.audience == "public" and not form.is_read_first:
        found.append("Nobody reads first and anybody can read: how are bad answers reported and taken away?")
    if form.answer_tokens > LONG_ANSWER:
        found.append("Long answers: can they be published in bulk, and does it say that a program wrote them?")
    if form.end_users > MANY_PEOPLE:
        found.append(
            "Many people: does the program send a `user` with every request, so that one can be stopped alone?"
        )
    return found
