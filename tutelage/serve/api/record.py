"""What is kept of a call: noted while it runs, and turned into the rows of the request log when it has ended."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from fastapi import Request

from tutelage import pii
from tutelage.core.simhash import simhash
from tutelage.core.use_cases import guess
from tutelage.generate.wire import Accepted, Ask
from tutelage.safety.policy import Policy, Role, Verdict
from tutelage.serve.admission.grants import Grant
from tutelage.store import Store, requests, windows
from tutelage.store.application_forms import DataUse
from tutelage.store.quotas import Reservation
from tutelage.store.requests import Action, Choice, Content, Ended, Endpoint, Hit, Said
from tutelage.web.errors import ApiError
from tutelage.web.site import utc_now

#: The header by which a request says that it is not to be used for training, whatever its application agreed to.
HEADER = "X-Tutelage-Data-Use"
#: Severity of what is never learned from.
UNSAFE = 2
_URL = re.compile(r"https?://|\bwww\.", re.IGNORECASE)
#: The status of what was not answered, because nobody waited any more.
CLIENT_GONE = 499


def bug() -> ApiError:
    """Return the error of a call that ended by a fault of ours."""
    return ApiError(500, "Something went wrong here.", code="internal_error")


def data_use(request: Request, grant: Grant) -> DataUse:
    """Return what a request may be used for: what its application agreed to, or less where the header says so."""
    said = [value.strip().lower() for value in request.headers.getlist(HEADER)]
    if not set(said) <= {"none", "training"}:
        raise ApiError(400, f"{HEADER} says what the request may be used for: none or training.", code="data_use")
    return "none" if "none" in said else grant.data_use


@dataclass(slots=True)
class Grown:
    """A choice as it was given out so far."""

    text: str = ""
    tokens: int = 0
    finish_reason: str = ""


@dataclass(slots=True, kw_only=True)
class Note:
    """A call as it goes on. What is noted here stays in memory until the call has ended.

    `said` is what the client said where that is not what is asked: a frame stands around it.
    """

    id: str
    endpoint: Endpoint
    grant: Grant
    end_user: str
    address: str
    data_use: DataUse
    alias: str = ""
    model: str = ""
    asks: Sequence[Ask] = ()
    said: Sequence[Said] = ()
    is_stream: bool = False
    is_echo: bool = False
    created: datetime = field(default_factory=utc_now)
    started: float = field(default_factory=time.monotonic)
    ended: float = 0.0
    #: When the engine had taken it, and when its first token left.
    accepted: float | None = None
    first_token: float | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0
    choices: dict[int, Grown] = field(default_factory=dict)
    prompt_texts: dict[int, str] = field(default_factory=dict)
    hits: dict[tuple[str, str], Hit] = field(default_factory=dict)
    severities: dict[str, int] = field(default_factory=dict)
    rule: str = ""
    policy_version: str = ""
    error: ApiError | None = None
    is_whole: bool = False
    reservation: Reservation | None = None

    def give(self, choice: int, text: str, tokens: int, finish_reason: str | None) -> None:
        """Note what a client was given of a choice."""
        if self.first_token is None and (text or tokens):
            self.first_token = time.monotonic()
        grown = self.choices.setdefault(choice, Grown())
        grown.text += text
        grown.tokens += tokens
        grown.finish_reason = finish_reason or grown.finish_reason

    def judge(self, role: Role, verdict: Verdict, policy: Policy) -> None:
        """Note what the filter said of the prompts or of the completions."""
        self.severities[role] = verdict.severity
        self.rule, self.policy_version = self.rule or verdict.rule, verdict.policy_version
        for category, score in verdict.scores.items():
            if severity := policy.severity_of(category, score):
                self.hits[role, category] = Hit(role=role, category=category, severity=severity, score=score)

    def count(self, accepted: Mapping[int, Accepted], completion_tokens: int) -> None:
        """Note what the engine counted, and what prompts of token ids say."""
        self.prompt_tokens = sum(one.prompt_tokens for one in accepted.values())
        self.completion_tokens = completion_tokens
        self.prompt_texts = {
            number: one.prompt_text for number, one in accepted.items() if self.asks[number].ids is not None
        }

    @property
    def action(self) -> Action:
        """Return what became of the call."""
        if self.error is not None:
            if self.error.code == "content_filter":
                return "blocked_prompt"
            if self.choices:  # it was running: we ended it, or it broke
                return "cancelled" if self.error.status < 500 else "failed"
            return "failed" if self.error.status == 500 else "refused"
        if not self.is_whole:
            return "cancelled"
        return "cut" if any(one.finish_reason == "content_filter" for one in self.choices.values()) else "served"

    @property
    def status(self) -> int:
        """Return the status that was answered; a stream that broke began with 200."""
        if self.error is not None and not (self.is_stream and self.choices):
            return self.error.status
        return CLIENT_GONE if self.action == "cancelled" else 200


def row(store: Store, note: Note) -> requests.Request:
    """Return what is known of a call as it stands without looking at its words."""
    grant, asks = note.grant, note.asks
    first = asks[0] if asks else None
    place = requests.place(store, note.address) if not grant.is_local else requests.Place()
    return requests.Request(
        id=note.id,
        endpoint=note.endpoint,
        action=note.action,
        status=note.status,
        created=note.created,
        latency_ms=round((note.ended - note.started) * 1000),
        first_token_ms=None if note.first_token is None else round((note.first_token - note.started) * 1000),
        key_id=grant.key_id,
        application_id=grant.application_id,
        organisation_id=grant.organisation_id,
        end_user=note.end_user,
        ip_hash=place.ip_hash,
        network_hash=place.network_hash,
        alias=note.alias if note.model else "",
        model=note.model,
        prompts=len(asks),
        n=first.n if first else 0,
        prompt_tokens=note.prompt_tokens,
        completion_tokens=note.completion_tokens,
        temperature=first.temperature if first else 0.0,
        is_stream=note.is_stream,
        is_echo=note.is_echo,
        has_logprobs=first is not None and first.top_logprobs is not None,
        error_code="" if note.error is None else note.error.code or "",
        finish_reasons=tuple(note.choices[choice].finish_reason for choice in sorted(note.choices)),
        prompt_severity=note.severities.get("prompt", 0),
        completion_severity=note.severities.get("completion", 0),
        rule=note.rule,
        policy_version=note.policy_version,
        data_use=note.data_use,
        notice_version=grant.notice_version if note.data_use == "training" else "",
    )


def ended(store: Store, note: Note) -> Ended:
    """Return what is written about a call that has ended. Long texts take milliseconds: not for an event loop."""
    prompts = note.said or [_said(ask, note.prompt_texts.get(number, "")) for number, ask in enumerate(note.asks)]
    told = "\n".join(_words(prompt) for prompt in prompts)
    answered = "\n".join(note.choices[choice].text for choice in sorted(note.choices))
    request = replace(
        row(store, note),
        use_case=guess(_words(prompts[0])) if told else "",
        prompt_simhash=simhash(told),
        completion_simhash=simhash(answered),
        urls=len(_URL.findall(answered)),
    )
    return Ended(request=request, hits=tuple(note.hits.values()), content=_content(store, note, prompts))


def _content(store: Store, note: Note, prompts: Sequence[Said]) -> Content | None:
    """Return the words of a call if they are kept, scrubbed: for training with consent, or for review."""
    worst = max(note.severities.values(), default=0)
    if note.grant.is_local or not note.model:
        return None
    if note.data_use == "training" and worst < UNSAFE and note.action == "served":
        reason: Any = "training"
    elif worst or (note.grant.state == "live" and windows.is_reviewed(store, note.id)):
        reason = "review"
    else:
        return None
    n = note.asks[0].n
    choices = [
        Choice(prompt=number // n, text=pii.scrub(one.text), finish_reason=one.finish_reason, tokens=one.tokens)
        for number, one in sorted(note.choices.items())
    ]
    scrubbed = [
        pii.scrub(prompt) if isinstance(prompt, str) else tuple((role, pii.scrub(text)) for role, text in prompt)
        for prompt in prompts
    ]
    return Content(reason=reason, prompts=tuple(scrubbed), choices=tuple(choices), sampling=_sampling(note.asks[0]))


def _said(ask: Ask, text: str) -> Said:
    """Return a prompt as it was sent; token ids as the text that they spell."""
    if ask.messages is not None:
        return ask.messages
    return text if ask.text is None else ask.text


def _words(prompt: Said) -> str:
    return prompt if isinstance(prompt, str) else "\n".join(text for _, text in prompt)


def _sampling(ask: Ask) -> dict[str, Any]:
    """Return how a call's choices were drawn."""
    names = ("max_tokens", "temperature", "top_p", "seed", "n", "best_of", "presence_penalty", "frequency_penalty")
    return {name: getattr(ask, name) for name in names} | {"stop": list(ask.stop), "biased": len(ask.logit_bias)}
