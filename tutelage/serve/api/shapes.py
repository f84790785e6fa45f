"""What the endpoints answer, field by field: for the OpenAPI page, and for tests that hold answers against it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Count = Annotated[int, Field(ge=0)]
#: How a choice ended; null while it has not.
Ending = Literal["stop", "length", "content_filter"]
Severity = Annotated[int, Field(ge=0, le=2)]


class Shape(BaseModel):
    """An answer has the fields that are named here and no others."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Model(Shape):
    """A name that this key may use, and the version that it stands for; with dates when that version is to go."""

    id: str
    object: Literal["model"]
    created: Count
    owned_by: str
    version: str
    deprecated: str = ""
    sunset: str = ""


class Models(Shape):
    """The names that this key may use."""

    object: Literal["list"]
    data: list[Model]


class Usage(Shape):
    """The tokens of a call; a prompt counts once however many choices it has."""

    prompt_tokens: Count
    completion_tokens: Count
    total_tokens: Count


class Noted(Shape):
    """What the filter says of a text where it notes and does not cut."""

    severity: Severity
    scores: dict[str, float]
    rule: str
    policy: str


class Filtered(Shape):
    """What the filter says of prompt and completion."""

    prompt: Noted
    completion: Noted


class Tokens(Shape):
    """The tokens of a text, with their log-probabilities and places; the first of a prompt has none."""

    tokens: list[str]
    token_logprobs: list[float | None]
    top_logprobs: list[dict[str, float] | None] | None
    text_offset: list[Count]


class CompletionChoice(Shape):
    """One continuation."""

    index: Count
    text: str
    logprobs: Tokens | None
    finish_reason: Ending | None
    content_filter: Filtered | None = None


class Completion(Shape):
    """A whole answer of /v1/completions, or an event of a stream; its last one has the usage when it was asked for."""

    id: Annotated[str, Field(pattern="^cmpl-[0-9a-f]{24}$")]
    object: Literal["text_completion"]
    created: Count
    model: str
    system_fingerprint: str
    choices: list[CompletionChoice]
    usage: Usage | None = None


class Likely(Shape):
    """A token, its bytes and its log-probability."""

    token: str
    bytes: list[Annotated[int, Field(ge=0, le=255)]]
    logprob: float


class Scored(Likely):
    """A token of the answer, with the likeliest ones at its place."""

    top_logprobs: list[Likely]


class Scores(Shape):
    """The tokens of a message."""

    content: list[Scored]
    refusal: None


class Message(Shape):
    """What the model answers."""

    role: Literal["assistant"]
    content: str
    refusal: None


class ChatChoice(Shape):
    """One answer."""

    index: Count
    message: Message
    logprobs: Scores | None
    finish_reason: Ending
    content_filter: Filtered | None = None


class Chat(Shape):
    """A whole answer of /v1/chat/completions."""

    id: Annotated[str, Field(pattern="^chatcmpl-[0-9a-f]{24}$")]
    object: Literal["chat.completion"]
    created: Count
    model: str
    system_fingerprint: str
    choices: list[ChatChoice]
    usage: Usage


class Delta(Shape):
    """What is new of a message; the role comes once."""

    role: Literal["assistant"] = "assistant"
    content: str


class DeltaChoice(Shape):
    """What is new of one answer."""

    index: Count
    delta: Delta
    logprobs: Scores | None
    finish_reason: Ending | None
    content_filter: Filtered | None = None


class ChatChunk(Shape):
    """An event of a streamed answer; the last one has the usage when it was asked for."""

    id: Annotated[str, Field(pattern="^chatcmpl-[0-9a-f]{24}$")]
    object: Literal["chat.completion.chunk"]
    created: Count
    model: str
    system_fingerprint: str
    choices: list[DeltaChoice]
    usage: Usage | None = None


class Moderation(Shape):
    """What the filter says of one text; a category that nobody scores is null, not no."""

    flagged: bool
    categories: dict[str, bool | None]
    category_scores: dict[str, float | None]
    category_applied_input_types: dict[str, list[Literal["text"]]]
    severity: Severity
    rule: str


class Moderations(Shape):
    """The verdicts in the order of the texts; `model` is the version of the policy."""

    id: Annotated[str, Field(pattern="^modr-[0-9a-f]{24}$")]
    model: str
    results: list[Moderation]


class Kept(Shape):
    """Feedback as it was kept, and what it may be used for."""

    object: Literal["feedback"]
    id: Annotated[str, Field(pattern="^fb-[0-9a-f]{24}$")]
    request_id: str
    model: str
    created: Count
    data_use: Literal["none", "training"]


class Health(Shape):
    """That the server lives, or is ready."""

    status: Literal["ok", "ready"]


class Told(Shape):
    """What went wrong: a sentence for people, a word for programs, and the parameter that it is about."""

    message: str
    type: Literal["invalid_request_error", "server_error"]
    param: str | None
    code: str | None


class Error(Shape):
    """The one shape of every error."""

    error: Told


#: Named in the page beside those that they are parts of.
ANSWERS: tuple[type[Shape], ...] = (Models, Model, Completion, Chat, ChatChunk, Moderations, Kept, Health, Error)


def schema_of(kind: type[BaseModel]) -> dict[str, Any]:
    """Return a shape as JSON Schema, parts and all."""
    return kind.model_json_schema(ref_template="#/components/schemas/{model}")
