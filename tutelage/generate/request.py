"""What is asked of an engine and what it answers. No torch here: gateways import this module."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from tutelage.errors import UserError
from tutelage.records import FinishReason

#: Largest number of choices of one request.
MAX_CHOICES = 128
#: Most stop strings of one request, and the most characters of one of them.
MAX_STOPS, MAX_STOP_CHARACTERS = 16, 256
#: Most alternatives reported per position.
MAX_TOP_LOGPROBS = 20
#: Largest penalty and bias, either way (OpenAI's ranges).
MOST_PENALTY, MOST_BIAS = 2.0, 100.0

#: What a request is told whose deadline has passed.
LATE = "The deadline passed before the answer was complete; ask for fewer tokens, or allow more time."


class RequestError(UserError):
    """A request that can never be answered as it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A prompt and how to continue it.

    `temperature` 0 is greedy. `top_p` 1 and `top_k` 0 switch the filters off. The same `seed` consumes the same random
    numbers whatever else is in the batch; choice `i` of `n` has its own stream; None draws a fresh seed.
    `stop_ids` None means the tokenizer's end token, () never stops. `stop` are strings; the text ends before them.
    `stream` asks for text pieces in the events. `logprobs` is the log-probability of each chosen token under the
    model itself (before temperature and filters), `top_logprobs` adds that many most likely tokens, and
    `prompt_logprobs` the same for the prompt's tokens from the second on.
    `frequency_penalty` times how often a token was sampled, `presence_penalty` if it was, is taken from its logit, and
    `logit_bias`, pairs of token id and value, is added to it: the formula of OpenAI's API, before temperature.
    With `best_of` that many choices are drawn; who collects the events keeps the best `n` (`best`). A request that is
    not answered `deadline` seconds after it was submitted is cancelled. What is computed for one `tenant` is never used
    for another one.
    """

    prompt_ids: tuple[int, ...]
    max_tokens: int
    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    seed: int | None = None
    stop_ids: tuple[int, ...] | None = None
    stop: tuple[str, ...] = ()
    n: int = 1
    best_of: int | None = None
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    logit_bias: tuple[tuple[int, float], ...] = ()
    deadline: float | None = None
    logprobs: bool = True
    top_logprobs: int = 0
    prompt_logprobs: bool = False
    stream: bool = False
    tenant: str = ""

    def check(self) -> None:
        """Raise RequestError with one sentence when a value is out of range."""
        if not self.prompt_ids:
            raise RequestError("The prompt has no token; send at least one.")
        for name, value, low, high in (
            ("max_tokens", self.max_tokens, 0, 1 << 30),
            ("temperature", self.temperature, 0.0, 100.0),
            ("top_k", self.top_k, 0, 1 << 30),
            ("n", self.n, 1, MAX_CHOICES),
            ("top_logprobs", self.top_logprobs, 0, MAX_TOP_LOGPROBS),
            ("best_of", self.choices, self.n, MAX_CHOICES),
            ("presence_penalty", self.presence_penalty, -MOST_PENALTY, MOST_PENALTY),
            ("frequency_penalty", self.frequency_penalty, -MOST_PENALTY, MOST_PENALTY),
            *(("a value of logit_bias", value, -MOST_BIAS, MOST_BIAS) for _, value in self.logit_bias),
        ):
            if not low <= value <= high:  # a NaN fails too
                raise RequestError(f"{name} is {value}; choose a value from {low} to {high}.")
        if self.deadline is not None and not self.deadline > 0.0:
            raise RequestError(f"deadline is {self.deadline} seconds; give a positive number, or none.")
        if not 0.0 < self.top_p <= 1.0:
            raise RequestError(f"top_p is {self.top_p}; choose a value above 0 and at most 1.")
        if len(self.stop) > MAX_STOPS or any(not 0 < len(text) <= MAX_STOP_CHARACTERS for text in self.stop):
            raise RequestError(f"Give at most {MAX_STOPS} stop strings of 1 to {MAX_STOP_CHARACTERS} characters.")

    def check_fits(self, context: int) -> None:
        """Raise RequestError when prompt and answer exceed a context of so many tokens."""
        length, wanted = len(self.prompt_ids), self.max_tokens
        if length + wanted > context:
            raise RequestError(
                f"The prompt has {length} tokens and max_tokens is {wanted}, but this model's context is"
                f" {context} tokens; shorten the prompt or ask for fewer."
            )

    @property
    def choices(self) -> int:
        """Return how many choices are drawn."""
        return self.n if self.best_of is None else self.best_of

    @property
    def room(self) -> int:
        """Return how many tokens a choice may have with its prompt."""
        return len(self.prompt_ids) + self.max_tokens

    @property
    def is_biased(self) -> bool:
        """Say whether tokens are drawn from other logits than the model's."""
        return bool(self.logit_bias or self.presence_penalty or self.frequency_penalty)


class Top(NamedTuple):
    """One likely token of a position."""

    token: int
    logprob: float


class Event(NamedTuple):
    """What happened to one choice in one step.

    `token` is None when the choice ended without a new one (cancelled, failed, no token asked for). `text` holds the
    new text that is sure to stay, "" unless the request streams or has stop strings. `finish_reason` is None while
    the choice goes on. `prompt` comes once, with the first event of a request that asked for `prompt_logprobs`: for
    each prompt token from the second on its log-probability, and the most likely ones at its place.
    """

    id: int
    choice: int
    token: int | None
    logprob: float
    finish_reason: FinishReason | None = None
    text: str = ""
    error: str = ""
    top: tuple[Top, ...] = ()
    prompt: tuple[tuple[float, tuple[Top, ...]], ...] | None = None


@dataclass(slots=True, kw_only=True)
class Result:
    """A finished choice.

    `ids` holds every sampled token, the stop token included; `logprobs` is parallel to it. `text` leaves out special
    tokens and ends before the stop string.
    """

    ids: list[int] = field(default_factory=list)
    text: str = ""
    logprobs: list[float] = field(default_factory=list)
    finish_reason: FinishReason = "length"
    error: str = ""

    def add(self, event: Event) -> None:
        """Take in what happened to this choice."""
        if event.token is not None:
            self.ids.append(event.token)
            self.logprobs.append(event.logprob)
        self.text += event.text
        if event.finish_reason is not None:
            self.finish_reason, self.error = event.finish_reason, event.error


def best(scores: Sequence[Sequence[float]], n: int) -> list[int]:
    """Return the `n` choices whose tokens have the highest mean log-probability, best first; empty ones come last."""
    means = [sum(tokens) / len(tokens) if tokens else float("-inf") for tokens in scores]
    return sorted(range(len(scores)), key=lambda choice: -means[choice])[:n]


def is_textual(request: Request) -> bool:
    """Say whether the request's events carry text."""
    return request.stream or bool(request.stop)
