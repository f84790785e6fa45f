"""The vocabulary of the system: what the stages exchange, as immutable records.

A judgement (demonstration, rating, ranking) is never changed; a correction is a new record that names the one it
supersedes. `None` in a flag means *not answered* and is never read as "no".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

UseCase = Literal[
    "generation",
    "open_qa",
    "brainstorming",
    "chat",
    "rewrite",
    "summarization",
    "classification",
    "other",
    "closed_qa",
    "extract",
]
#: The ten use cases of the paper's Table 1 with their shares of API prompts, in per cent.
USE_CASE_SHARES: dict[UseCase, float] = {
    "generation": 45.6,
    "open_qa": 12.4,
    "brainstorming": 11.2,
    "chat": 8.4,
    "rewrite": 6.6,
    "summarization": 4.2,
    "classification": 3.5,
    "other": 3.5,
    "closed_qa": 2.6,
    "extract": 1.9,
}

#: Who made a judgement or a text. Reports never mix or hide these kinds.
Kind = Literal["human", "customer", "model", "simulated"]
#: What a label may be used for. Only `train` labels ever reach a training export.
Purpose = Literal["train", "gold", "repeat", "agreement", "screening", "evaluation"]
#: `training` labelers make training data; `heldout` labelers only judge results (paper, 3.4).
Group = Literal["training", "heldout", "opposed", "researcher"]
Split = Literal["train", "validation", "test"]
#: What a prompt is set aside for; "" while intake has not decided.
Stage = Literal["", "sft", "reward", "ppo", "evaluation"]
PromptForm = Literal["plain", "few_shot", "user_based"]
FinishReason = Literal["stop", "length", "cancelled", "error"]

#: What a person takes out of a prompt before it is trained on.
Personal = Literal["name", "contact", "address", "number", "secret", "other"]

#: The yes/no questions asked of every output (paper, Table 3).
FLAGS: tuple[str, ...] = (
    "fails_task",
    "inappropriate",
    "hallucination",
    "satisfies_constraint",
    "sexual",
    "violent",
    "encourages_harm",
    "denigrates",
    "harmful_advice",
    "opinion",
    "moral_judgment",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """A text that a user sent, with the model and endpoint it was sent to.

    A `brief` is no prompt yet: it says what prompt a labeler is to write.

    `user` is a salted hash once the prompt is in the store; `consent` is the version of the notice that the user
    agreed to, "" when there was none; `meta` holds what the source knows and no trainer reads.
    """

    id: str
    text: str
    source: Literal["labeler", "customer", "imported", "village", "starter", "brief"]
    user: str
    form: PromptForm = "plain"
    use_case: UseCase | Literal[""] = ""
    model: str = ""
    endpoint: str = ""
    consent: str = ""
    split: Split | Literal[""] = ""
    stage: Stage = ""
    meta: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Demonstration:
    """An answer that a labeler wrote for a prompt."""

    id: str
    prompt_id: str
    text: str
    labeler: str
    kind: Kind
    instruction_version: str
    purpose: Purpose = "train"
    supersedes: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """A text that a policy sampled for a prompt. `policy` is a model name, never a path."""

    id: str
    prompt_id: str
    text: str
    policy: str
    finish_reason: FinishReason
    sampling: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rating:
    """One labeler's judgement of one output: overall quality 1-7 and the flags, each yes, no or not answered."""

    id: str
    completion_id: str
    labeler: str
    kind: Kind
    instruction_version: str
    purpose: Purpose
    quality: int
    flags: dict[str, bool | None] = field(default_factory=dict)
    supersedes: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranking:
    """One labeler's order of all outputs of a prompt.

    `groups` holds completion ids, best group first; ids in one group are tied. `presented` is the order in which the
    labeler saw them; `seeded` says that the order started from the labeler's own ratings.
    """

    id: str
    prompt_id: str
    labeler: str
    kind: Kind
    instruction_version: str
    purpose: Purpose
    groups: tuple[tuple[str, ...], ...]
    presented: tuple[str, ...]
    seeded: bool = False
    supersedes: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenPrompt:
    """A prompt that a labeler wrote to a brief (paper, 3.2 and A.1).

    `text` is the prompt, or the instruction of a few-shot one, whose queries and responses are `pairs`.
    """

    id: str
    prompt_id: str
    form: PromptForm
    use_case: UseCase
    text: str
    pairs: tuple[tuple[str, str], ...]
    labeler: str
    kind: Kind
    instruction_version: str
    purpose: Purpose = "train"
    supersedes: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Redaction:
    """Characters `start` to `end` of a text that are taken out, and what they are."""

    start: int
    end: int
    kind: Personal


@dataclass(frozen=True, slots=True, kw_only=True)
class PrivacyReview:
    """A person's look through a prompt for personal data: what is taken out, and whether the rest may be used.

    `before` is the hash of the text that was looked at.
    """

    id: str
    prompt_id: str
    redactions: tuple[Redaction, ...]
    is_usable: bool
    before: str
    labeler: str
    kind: Kind
    instruction_version: str
    purpose: Purpose = "train"
    supersedes: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToxicityRating:
    """How toxic one continuation is, and the beginning that it continues; None is not answered.

    Source: the RealToxicityPrompts form of the paper (3.6): toxicity 0 to 2 of the beginning and of the continuation,
    -1, 0 or 1 beside the beginning, continuity 1 to 7; `rank` among the continuations, 0 is best, equals are ties.
    """

    id: str
    completion_id: str
    beginning: int | None
    toxicity: int | None
    relative: int | None
    continuity: int | None
    rank: int
    labeler: str
    kind: Kind
    instruction_version: str
    purpose: Purpose = "evaluation"
    supersedes: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Labeler:
    """Somebody, or something, that judges."""

    id: str
    group: Group
    kind: Kind
    screened: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Instructions:
    """One immutable version of what labelers were told."""

    version: str
    task: Literal["demonstration", "comparison", "evaluation", "toxicity", "prompt", "privacy"]
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RankedGroup:
    """All ranked completions of one prompt: one batch element of the reward model.

    `ranks[i]` is the rank of `completions[i]`, 0 is best, equal ranks are ties. `cut[i]` says that sampling ended
    `completions[i]` at the length cap, so that no end token follows it; () when every one ended by itself. Among the
    rankings of a step it counts by its `weight`.
    """

    prompt: str
    completions: tuple[str, ...]
    ranks: tuple[int, ...]
    cut: tuple[bool, ...] = ()
    prompt_id: str = ""
    labeler: str = ""
    weight: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisteredModel:
    """An immutable model version: a name and version, the directory that holds it and the hash of its files."""

    name: str
    version: int
    path: str
    sha256: str
    run: str
    role: Literal["policy", "reward", "filter"] = "policy"
