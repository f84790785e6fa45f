"""The card of an exported model, for a person: what it is, what it learned from whom, how it reads, its limits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tutelage import __version__
from tutelage.models.hub import NAME
from tutelage.models.papers import UNKNOWN
from tutelage.records import RegisteredModel
from tutelage.store.registry import Learned

STAGES = {
    "pretrain": "pretraining on text",
    "sft": "supervised fine-tuning on demonstrations",
    "reward": "training on rankings, as a reward model",
    "ppo": "PPO against a reward model",
}
KINDS = {
    "human": "people",
    "customer": "customers",
    "model": "language models",
    "simulated": "programs that play labelers",
}
ALONE = "Its tokenizer has no padding token other than the end token, so score one text at a time."
SPLIT = "Prompt and completion are encoded apart, and the end token follows the completion."


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What a card tells. `licences` are the files of the base's licence that lie beside it.

    `is_scored_alone` says of a reward model that its tokenizer has no padding.
    """

    model: RegisteredModel
    card: Mapping[str, Any]
    learned: Sequence[Learned]
    licences: Sequence[str]
    is_average: bool
    is_adapted: bool
    is_scored_alone: bool


def text(about: About) -> str:
    """Return the card."""
    model = about.model
    parts = [
        _head(about),
        f"# {model.name}@{model.version}",
        f"{_what(about)} Written by Tutelage {__version__}; the registered files have the SHA-256 `{model.sha256}`.",
        "## What it was made from",
        _base(about),
        "## What it learned from",
        _learned(about.learned),
        "## How it reads text",
        _rendering(about),
        "## Loading it",
        _loading(about),
        "## Limits",
        _limits(about),
    ]
    return "\n\n".join(parts) + "\n"


def _head(about: About) -> str:
    """Return the lines that the hub reads."""
    licence, base = str(about.card.get("licence", UNKNOWN)), str(about.card.get("model", ""))
    task = "text-classification" if about.model.role == "reward" else "text-generation"
    lines = [
        f"license: {'unknown' if licence == UNKNOWN else licence.lower()}",
        "library_name: transformers",
        f"pipeline_tag: {task}",
        *([f"base_model: {base}"] if NAME.fullmatch(base) else []),
    ]
    return "\n".join(["---", *lines, "---"])


def _what(about: About) -> str:
    kind = "A reward model" if about.model.role == "reward" else "A language model"
    stage = STAGES.get(str(about.card.get("stage")))
    how = f", last trained by {stage}" if stage else ""
    average = " These weights are the average of those on the way." if about.is_average else ""
    return f"{kind}{how}.{average}"


def _base(about: About) -> str:
    base, licence = about.card.get("model", UNKNOWN), about.card.get("licence", UNKNOWN)
    files = f" Its text is in {', '.join(f'`{name}`' for name in about.licences)}." if about.licences else ""
    return f"Base: {base}. Licence of the base: {licence}.{files} What is made from it stays under that licence."


def _learned(learned: Sequence[Learned]) -> str:
    if not learned:
        return "The registry knows of no label or prompt that it was trained on."
    rows = [f"| {one.what} | {_who(one)} | {one.rows:,} |" for one in learned]
    return "\n".join(["| What | Whose | Number |", "|---|---|---|", *rows])


def _who(one: Learned) -> str:
    if one.what == "prompts":
        return f"source: {one.kind}{f' ({one.consent})' if one.consent else ''}"
    return f"{one.kind}: {KINDS[one.kind]}"


def _rendering(about: About) -> str:
    template = about.card.get("template")
    if template == "chat":
        return f"A prompt is one user turn of the tokenizer's chat template. {SPLIT}"
    if template == "plain":
        return (
            "A prompt is its text and a line feed, behind what the tokenizer puts before any text; the chat template, "
            f"if there is one, was not trained on. {SPLIT}"
        )
    return "As its base does: no training here rendered prompts for it."


def _loading(about: About) -> str:
    if about.model.role == "reward":
        return (
            "```python\n"
            "from transformers import AutoModelForSequenceClassification, AutoTokenizer\n\n"
            "model = AutoModelForSequenceClassification.from_pretrained(DIR).eval()  # num_labels is 1\n"
            "tokenizer = AutoTokenizer.from_pretrained(DIR)\n"
            "score = model(input_ids).logits\n"
            "```\n\n"
            "The output layers of these classes have no bias. It lies beside the model as an adapter of that layer "
            "(`adapter_config.json`), which transformers reads where peft is installed; peft then warns that it cannot "
            "be merged. Without peft, add `model.config.score_bias` to each score; the order of scores is the same."
            + (" " + ALONE if about.is_scored_alone else "")
        )
    adapter = (
        "\n\nThe directory holds the base and, in `adapter_model.safetensors`, what training added to it; transformers "
        "puts both together where peft is installed, and loads the base alone where it is not."
    )
    return (
        "```python\n"
        "from transformers import AutoModelForCausalLM, AutoTokenizer\n\n"
        "model = AutoModelForCausalLM.from_pretrained(DIR).eval()\n"
        "tokenizer = AutoTokenizer.from_pretrained(DIR)\n"
        "```" + (adapter if about.is_adapted else "")
    )


def _limits(about: About) -> str:
    if about.card.get("stage") not in ("sft", "reward", "ppo"):
        return "Those of its base: nobody's judgements changed it here."
    own = (
        "A score compares completions of one prompt; it says how much these labelers would prefer one, not whether it "
        "is true or harmless. A policy that is trained against it for long finds texts that it wrongly likes."
        if about.model.role == "reward"
        else "It follows what those who labeled prefer, and nobody else was asked. It invents facts, can be led to "
        "harmful answers, and keeps the mistakes of its base."
    )
    return (
        f"{own} Languages and kinds of prompts that it saw little of are less reliable. Judge it on prompts of your "
        "own before anybody relies on it; no figure of its evaluation is part of this card."
    )
