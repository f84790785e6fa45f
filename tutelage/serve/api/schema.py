"""The parameters of the endpoints. What is not here is refused by name rather than ignored.

Parameters that only have one possible value here are kept because clients send them.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

#: Most choices of one call: prompts times n.
MOST_CHOICES = 128
#: Most tokens that one call may bias.
MOST_BIASED = 1024
#: Most tokens of one prompt, whatever the model could read.
MOST_IDS = 1 << 17
SEED = 2**63
#: More than any context holds; a longer number is a mistake.
MOST_TOKENS = 2**31

Number = Annotated[float, Field(allow_inf_nan=False)]
Stop = Annotated[str, Field(min_length=1, max_length=256)]
# A list is refused at its first wrong entry, not after a sentence about each.
TokenId = Annotated[int, Field(ge=0, lt=2**31)]
Ids = Annotated[list[TokenId], Field(min_length=1, max_length=MOST_IDS, fail_fast=True)]
Texts = Annotated[list[str], Field(min_length=1, max_length=MOST_CHOICES, fail_fast=True)]
ManyIds = Annotated[list[Ids], Field(min_length=1, max_length=MOST_CHOICES, fail_fast=True)]
Penalty = Annotated[Number, Field(ge=-2, le=2)]
TokenKey = Annotated[str, Field(pattern=r"^[0-9]{1,9}$")]
Bias = Annotated[Number, Field(ge=-100, le=100)]


class StreamOptions(BaseModel):
    """What a stream tells besides the text."""

    model_config = ConfigDict(extra="forbid", strict=True)

    include_usage: bool = False


class Sampling(BaseModel):
    """What both endpoints share."""

    model_config = ConfigDict(extra="forbid", strict=True)

    model: str = "default"
    n: Annotated[int, Field(ge=1, le=16)] = 1
    temperature: Annotated[Number, Field(ge=0, le=2)] = 1.0
    top_p: Annotated[Number, Field(gt=0, le=1)] = 1.0
    seed: Annotated[int, Field(ge=-SEED, lt=SEED)] | None = None
    stop: Stop | Annotated[list[Stop], Field(max_length=4)] | None = None
    stream: bool = False
    stream_options: StreamOptions | None = None
    presence_penalty: Penalty = 0.0
    frequency_penalty: Penalty = 0.0
    logit_bias: Annotated[dict[TokenKey, Bias], Field(max_length=MOST_BIASED)] = {}
    user: str = ""

    @property
    def stops(self) -> tuple[str, ...]:
        """Return the stop strings."""
        if self.stop is None:
            return ()
        return (self.stop,) if isinstance(self.stop, str) else tuple(self.stop)

    @property
    def biases(self) -> tuple[tuple[int, float], ...]:
        """Return token ids with what is added to their logits."""
        return tuple((int(token), value) for token, value in self.logit_bias.items())

    @property
    def includes_usage(self) -> bool:
        """Say whether a stream ends with the token counts."""
        return self.stream_options is not None and self.stream_options.include_usage

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, value: Any) -> Any:
        """Read null as not given, as OpenAI does."""
        return {name: entry for name, entry in value.items() if entry is not None} if isinstance(value, dict) else value

    @model_validator(mode="after")
    def _options_need_a_stream(self) -> Sampling:
        if self.stream_options is not None and not self.stream:
            raise ValueError("stream_options only go with stream; set stream to true")
        return self


class CompletionParameters(Sampling):
    """The parameters of /v1/completions."""

    prompt: str | Texts | Ids | ManyIds = ""
    max_tokens: Annotated[int, Field(ge=0, le=MOST_TOKENS)] = 16
    echo: bool = False
    logprobs: Annotated[int, Field(ge=0, le=5)] | None = None
    best_of: Annotated[int, Field(ge=1, le=20)] | None = None
    suffix: Literal[""] | None = None

    @property
    def prompts(self) -> list[str | tuple[int, ...]]:
        """Return the prompts one by one."""
        if isinstance(self.prompt, str):
            return [self.prompt]
        if isinstance(self.prompt[0], int):
            return [tuple(self.prompt)]
        return [prompt if isinstance(prompt, str) else tuple(prompt) for prompt in self.prompt]

    @property
    def ranked(self) -> int | None:
        """Return how many choices are drawn to keep the best; None when all drawn are kept."""
        return None if self.best_of == self.n else self.best_of

    @model_validator(mode="after")
    def _fits_together(self) -> CompletionParameters:
        if self.best_of is not None and self.best_of < self.n:
            raise ValueError(f"best_of is {self.best_of} and n is {self.n}; best_of must be at least n")
        if self.ranked is not None and self.stream:
            raise ValueError("the best of several is known at the end; leave out stream, or best_of")
        if len(self.prompts) * (self.best_of or self.n) > MOST_CHOICES:
            raise ValueError(f"prompts times n or best_of must be at most {MOST_CHOICES}; send several calls")
        if self.max_tokens == 0 and not self.echo:
            raise ValueError("max_tokens is 0, which leaves nothing to answer; ask for a token, or for an echo")
        return self


class TextPart(BaseModel):
    """A part of a message."""

    model_config = ConfigDict(extra="forbid", strict=True)

    type: Literal["text"]
    text: str


class ChatMessage(BaseModel):
    """A turn of a conversation."""

    model_config = ConfigDict(extra="forbid", strict=True)

    role: Literal["system", "developer", "user", "assistant"]
    content: str | Annotated[list[TextPart], Field(min_length=1, max_length=256, fail_fast=True)]
    name: str = ""

    @property
    def text(self) -> str:
        """Return the content in one piece."""
        return self.content if isinstance(self.content, str) else "".join(part.text for part in self.content)


class ChatParameters(Sampling):
    """The parameters of /v1/chat/completions."""

    messages: Annotated[list[ChatMessage], Field(min_length=1, max_length=256)]
    max_tokens: Annotated[int, Field(ge=1, le=MOST_TOKENS)] | None = None
    max_completion_tokens: Annotated[int, Field(ge=1, le=MOST_TOKENS)] | None = None
    logprobs: bool = False
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = None

    @property
    def most_tokens(self) -> int | None:
        """Return how many tokens an answer may have; None for what the context leaves."""
        return self.max_tokens if self.max_completion_tokens is None else self.max_completion_tokens

    @model_validator(mode="after")
    def _top_needs_logprobs(self) -> ChatParameters:
        if self.top_logprobs is not None and not self.logprobs:
            raise ValueError("top_logprobs only go with logprobs; set logprobs to true")
        return self
