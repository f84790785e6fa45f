"""Completions for ranking: K per prompt from several policies, into the store.

All that is drawn depends on the prompt, the policy and the settings alone, and so do the completions' ids: what is in
the store already is not drawn again, and a run that was stopped goes on where it was.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, NamedTuple

import torch
from pydantic import Field

from tutelage.config import Settings
from tutelage.errors import DataError, InvariantError
from tutelage.files import content_hash
from tutelage.generate.engine import Engine, complete
from tutelage.generate.prompting import template_of
from tutelage.generate.request import Request
from tutelage.models.load import load_policy
from tutelage.models.narrow import Precision, is_bf16
from tutelage.models.tokens import Renderer
from tutelage.records import Completion, Prompt
from tutelage.store import Store, completions

#: Prompts that are answered between two writes to the store.
PART = 256
#: Keys and values of the answers in progress; while their room grows, the old one is there too.
CACHE_BYTES = 1 << 30
#: Called with how many completions are there and how many there will be.
Progress = Callable[[int, int], None]


class Decoding(Settings):
    """How a completion is drawn."""

    temperature: float = Field(1.0, ge=0, le=100)
    """0 always takes the likeliest token; 1 draws from the model itself."""
    top_p: float = Field(1.0, gt=0, le=1)
    """Draw only from the likeliest tokens that together reach this probability."""
    max_tokens: int = Field(48, ge=1)
    """A completion is cut after so many tokens."""
    template: Literal["auto", "plain", "chat"] = "auto"
    """How prompts are rendered; auto takes what the model's directory says."""
    precision: Precision = "fp32"
    """What the model computes in. auto is bf16 where the processor is faster in it, else fp32, and what is drawn then
    depends on the machine."""


class SamplingSettings(Decoding):
    """How completions are drawn."""

    per_prompt: int = Field(4, ge=1, le=128)
    """Completions per prompt and policy; the paper ranks 4 to 9 of a prompt together (section 3.3)."""
    seed: int = 0
    """Other seeds draw other completions."""


class Policy(NamedTuple):
    """A model that is sampled from: its name in the records and its directory.

    With a `frame`, a text that holds `{prompt}` (solved examples before it, say), the model continues the frame
    instead of the rendered prompt, and its answer ends with the line: how a base model is prompted.
    """

    name: str
    path: Path
    frame: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a sampling run did: completions made now, found in the store, and prompts too long, by policy."""

    made: int
    present: int
    too_long: dict[str, list[str]] = field(default_factory=dict)


def completion_id(prompt: Prompt, policy: Policy, settings: SamplingSettings, choice: int) -> str:
    """Return the id of a completion: it depends on what is drawn and how, so that it is drawn once."""
    # In full precision the id is what it was before there was a choice.
    left_out = {"per_prompt", *({"precision"} if settings.precision == "fp32" else ())}
    drawn = settings.model_dump(exclude=left_out) | ({"frame": policy.frame} if policy.frame else {})
    return "c" + content_hash([prompt.id, prompt.text, policy.name, drawn, choice])[:24]


def sample(
    store: Store,
    prompts: Sequence[Prompt],
    policies: Sequence[Policy],
    settings: SamplingSettings,
    *,
    threads: int | None = None,
    progress: Progress | None = None,
) -> Report:
    """Put `per_prompt` completions of every policy for every prompt into the store; skip what is there."""
    total = len(prompts) * len(policies) * settings.per_prompt
    made = present = 0
    too_long: dict[str, list[str]] = {}
    for policy in policies:
        missing = _missing(store, prompts, policy, settings)
        present += (len(prompts) - len(missing)) * settings.per_prompt
        if not missing:
            continue
        with computing_with(threads):
            sampler = Sampler(policy, settings)
            too_long[policy.name] = [prompt.id for prompt in missing if not sampler.fits(prompt)]
            missing = [prompt for prompt in missing if sampler.fits(prompt)]
            for start in range(0, len(missing), PART):
                new = sampler.sample(missing[start : start + PART])
                completions.add(store, new, now=datetime.now(UTC))
                made += len(new)
                if progress:
                    progress(present + made, total)
    return Report(made=made, present=present, too_long={name: ids for name, ids in too_long.items() if ids})


def sample_texts(
    policy: Policy,
    prompts: Sequence[Prompt],
    settings: SamplingSettings,
    *,
    threads: int | None = None,
    progress: Progress | None = None,
) -> list[Completion]:
    """Return `per_prompt` completions of each prompt, prompt by prompt, without any store."""
    with computing_with(threads):
        return Sampler(policy, settings).sample(prompts, progress)


class Sampler:
    """A loaded policy that answers prompts."""

    def __init__(self, policy: Policy, settings: SamplingSettings) -> None:
        self.policy, self.settings = policy, settings
        dtype = torch.bfloat16 if is_bf16(settings.precision) else torch.float32
        model, tokenizer = load_policy(policy.path, dtype=dtype)
        template = template_of(policy.path, tokenizer) if settings.template == "auto" else settings.template
        self.renderer = Renderer(tokenizer, template)
        self.engine = Engine(model, tokenizer, cache_bytes=CACHE_BYTES)

    def fits(self, prompt: Prompt) -> bool:
        """Say whether the prompt and its completion fit the model's context."""
        return len(self._ids(prompt)) + self.settings.max_tokens <= self.engine.context

    def sample(self, prompts: Sequence[Prompt], progress: Progress | None = None) -> list[Completion]:
        """Draw the completions of the prompts, in order."""
        requests = [self._request(prompt) for prompt in prompts]
        results = complete(self.engine, requests, progress)
        made = []
        for number, result in enumerate(results):
            prompt, choice = prompts[number // self.settings.per_prompt], number % self.settings.per_prompt
            if result.finish_reason == "error":
                raise InvariantError(f"{self.policy.name} cannot answer prompt {prompt.id}: {result.error}")
            made.append(
                Completion(
                    id=completion_id(prompt, self.policy, self.settings, choice),
                    prompt_id=prompt.id,
                    text=result.text.strip() if self.policy.frame else result.text,
                    policy=self.policy.name,
                    finish_reason=result.finish_reason,
                    sampling={**self.settings.model_dump(exclude={"per_prompt"}), "choice": choice},
                )
            )
        return made

    def _ids(self, prompt: Prompt) -> list[int]:
        if not self.policy.frame:
            return self.renderer.prompt_ids(prompt.text)
        return self.renderer.documents_ids([self.policy.frame.replace("{prompt}", prompt.text)])[0]

    def _request(self, prompt: Prompt) -> Request:
        ids = tuple(self._ids(prompt))
        if len(ids) + self.settings.max_tokens > self.engine.context:
            raise DataError(
                f"Prompt {prompt.id} has {len(ids)} tokens, and with {self.settings.max_tokens} new ones exceeds the"
                f" context of {self.policy.name}, {self.engine.context}; leave it out or lower max_tokens."
            )
        name = f"{self.settings.seed}\n{self.policy.name}\n{prompt.id}".encode()
        return Request(
            prompt_ids=ids,
            max_tokens=self.settings.max_tokens,
            temperature=self.settings.temperature,
            top_p=self.settings.top_p,
            seed=int.from_bytes(hashlib.sha256(name).digest()[:8], "big"),
            n=self.settings.per_prompt,
            stop=("\n",) if self.policy.frame else (),
        )


def _missing(store: Store, prompts: Sequence[Prompt], policy: Policy, settings: SamplingSettings) -> list[Prompt]:
    """Return the prompts of which at least one completion is not in the store."""
    ids = {
        prompt.id: [completion_id(prompt, policy, settings, choice) for choice in range(settings.per_prompt)]
        for prompt in prompts
    }
    there = completions.get(store, [id for all_ids in ids.values() for id in all_ids])
    return [prompt for prompt in prompts if any(id not in there for id in ids[prompt.id])]


@contextmanager
def computing_with(threads: int | None) -> Iterator[None]:
    """Compute with so many threads inside the block."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)
