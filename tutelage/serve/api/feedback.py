"""/v1/feedback: what customers say of an answer. It is a customer's word, and never counts as a labeler's."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import replace
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field, model_validator

from tutelage import pii
from tutelage.errors import ConflictError
from tutelage.serve.admission.access import grant_of
from tutelage.serve.admission.admission import Admission
from tutelage.serve.admission.grants import Grant
from tutelage.serve.api import bodies
from tutelage.serve.api.record import HEADER, data_use
from tutelage.serve.api.recorder import GATHER_SECONDS, Recorder
from tutelage.store import comments, requests
from tutelage.store.application_forms import DataUse
from tutelage.store.comments import Feedback
from tutelage.web.errors import ApiError
from tutelage.web.site import utc_now

Reason = Literal["wrong", "made_up", "harmful", "off_task", "refused", "style", "other"]
Index = Annotated[int, Field(ge=0, lt=128)]
#: How often a call that this process does not know is looked for: another worker's is written within moments.
LOOKS = 3


class FeedbackParameters(BaseModel):
    """The parameters of /v1/feedback: which answer, and at least one thing to say of it."""

    model_config = ConfigDict(extra="forbid", strict=True)

    request_id: Annotated[str, Field(min_length=1, max_length=100)]
    choice: Index | None = None
    thumb: Literal["up", "down"] | None = None
    reasons: Annotated[list[Reason], Field(max_length=7)] = []
    comment: Annotated[str, Field(max_length=4000)] = ""
    correction: Annotated[str, Field(max_length=32_000)] = ""
    ranking: Annotated[list[Index | Annotated[list[Index], Field(min_length=1)]], Field(max_length=128)] = []
    user: Annotated[str, Field(max_length=1000)] = ""
    id: Annotated[str, Field(max_length=100)] = ""

    @property
    def groups(self) -> tuple[tuple[int, ...], ...]:
        """Return the order as groups, best first."""
        return tuple((group,) if isinstance(group, int) else tuple(group) for group in self.ranking)

    @model_validator(mode="after")
    def _says_something(self) -> FeedbackParameters:
        if not (self.thumb or self.reasons or self.comment.strip() or self.correction.strip() or self.ranking):
            raise ValueError("there is nothing in this feedback; give thumb, reasons, comment, correction or ranking")
        named = [choice for group in self.groups for choice in group]
        if len(set(named)) < len(named):
            raise ValueError("ranking names a choice twice")
        if len(set(self.reasons)) < len(self.reasons):
            raise ValueError("reasons names a reason twice")
        return self


def router(admission: Admission, recorder: Recorder) -> APIRouter:
    """Return the endpoint."""
    routes = APIRouter()

    @routes.post("/v1/feedback")
    async def feedback(request: Request) -> dict[str, Any]:
        grant = grant_of(request)
        said = await bodies.read(request, FeedbackParameters)
        wanted = data_use(request, grant)
        end_user = admission.ledger.end_user(grant, said.user)
        async with admission.ledger.charge(grant, end_user, 0):
            about = await find(recorder, said.request_id, grant)
            _check(said, about)
            may_train: DataUse = "training" if wanted == about.data_use == "training" else "none"
            if (said.comment or said.correction) and may_train == "none":
                raise ApiError(
                    403,
                    "Words are kept only where the request and the application agreed to training; leave out comment "
                    f"and correction, or agree to the notice (and do not send {HEADER}: none).",
                    code="data_use",
                )
            new = Feedback(
                id=_name(recorder, grant, said.id),
                request_id=about.id,
                application_id=grant.application_id,
                key_id=grant.key_id,
                end_user=end_user,
                choice=said.choice,
                thumb=said.thumb or "",
                reasons=tuple(said.reasons),
                ranking=said.groups,
                comment=said.comment,
                correction=said.correction,
                data_use=may_train,
                notice_version=about.notice_version if may_train == "training" else "",
                created=utc_now(),
            )
            await asyncio.to_thread(_keep, recorder, new)
        told = {"object": "feedback", "id": new.id, "request_id": about.id, "model": about.model}
        return {**told, "created": int(new.created.timestamp()), "data_use": new.data_use}

    return routes


async def find(recorder: Recorder, id: str, grant: Grant) -> requests.Request:
    """Return a call of the same application; anybody else's is as if it were not there."""
    await recorder.written()
    for look in range(LOOKS):
        found = await asyncio.to_thread(requests.get, recorder.store, id)
        if found is not None and found.application_id == grant.application_id:
            return found
        if found is not None:
            break
        if look < LOOKS - 1:
            await asyncio.sleep(2 * GATHER_SECONDS)
    raise unknown_request()


def unknown_request() -> ApiError:
    """Return the error for a call that is not there, or is somebody else's."""
    return ApiError(
        404,
        "There is no such request of this application; the id stands in the answer, and is known for as long as "
        "requests are kept.",
        code="request_not_found",
        param="request_id",
    )


def _check(said: FeedbackParameters, about: requests.Request) -> None:
    """Refuse what does not fit the answer: choices that it does not have, an order of a part of them."""
    count = len(about.finish_reasons)
    if said.choice is not None and said.choice >= count:
        raise ApiError(400, f"The answer has {count} choices; choice counts them from 0.", param="choice")
    if said.correction and said.choice is None and about.prompts > 1:
        raise ApiError(400, "The request had several prompts; name the choice that is corrected.", param="choice")
    if said.ranking and not _orders_a_prompt(said, about, count):
        raise ApiError(
            400,
            f"A ranking orders all choices of one prompt, here {about.n} of them, best first and ties in a list.",
            param="ranking",
        )


def _orders_a_prompt(said: FeedbackParameters, about: requests.Request, count: int) -> bool:
    named = sorted(choice for group in said.groups for choice in group)
    if about.n < 2 or named[-1] >= count:
        return False
    first = named[0] // about.n * about.n
    return named == list(range(first, first + about.n))


def _name(recorder: Recorder, grant: Grant, given: str) -> str:
    """Return the id of feedback: what one application calls its own says nothing about another's."""
    return f"fb-{recorder.store.digest('feedback', grant.application_id, given or secrets.token_hex(16))[:24]}"


def _keep(recorder: Recorder, new: Feedback) -> None:
    clean = replace(new, comment=pii.scrub(new.comment.strip()), correction=pii.scrub(new.correction.strip()))
    try:
        comments.add(recorder.store, clean)
    except ConflictError as error:
        raise ApiError(409, str(error), code=error.code, param="id") from error
