"""The card of an exported model, for a person: its use, what it learned from whom, what was found, its limits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from tutelage import __version__
from tutelage.evaluate.report import environment, style
from tutelage.evaluate.wording import plain
from tutelage.models.hub import NAME
from tutelage.models.papers import UNKNOWN
from tutelage.pipeline.card_results import Figure, Result
from tutelage.records import RegisteredModel
from tutelage.runs import Run
from tutelage.store.registry import Learned
from tutelage.web import markdown

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
    """What a card tells. `licences` are the files of the base's licence that lie beside it, `run` is the training that
    made the model, None where it is gone, and `pages` the files of the results' pages, "" where there is none.

    `use` is what its owner says that it is for. `is_scored_alone` says of a reward model that its tokenizer has no
    padding.
    """

    model: RegisteredModel
    card: Mapping[str, Any]
    learned: Sequence[Learned]
    licences: Sequence[str]
    is_average: bool
    is_adapted: bool
    is_scored_alone: bool
    use: str = ""
    run: Run | None = None
    results: Sequence[Result] = ()
    pages: Sequence[str] = ()


def page(about: About) -> str:
    """Return the card as one HTML page that fetches nothing."""
    told = markdown.render("\n\n".join(_parts(about)[1:]))
    title = f"{about.model.name}@{about.model.version}"
    return environment().get_template("card.html").render(title=title, style=style(), body=Markup(told))


def text(about: About) -> str:
    """Return the card as the hub reads it, in Markdown."""
    return "\n\n".join(_parts(about)) + "\n"


def _parts(about: About) -> list[str]:
    model = about.model
    return [
        _head(about),
        f"# {model.name}@{model.version}",
        f"{_what(about)} Written by Tutelage {__version__}; the registered files have the SHA-256 `{model.sha256}`.",
        "## Intended use",
        _use(about),
        "## What it was made from",
        _base(about),
        "## What it learned from, and from whom",
        _learned(about.learned),
        "## How it was trained",
        _training(about.run),
        "## What was found",
        _results(about),
        "## How it reads text",
        _rendering(about),
        "## Loading it",
        _loading(about),
        "## Limits",
        _limits(about),
    ]


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


def _use(about: About) -> str:
    """Say what the model may be used for: what its owner said first, and what holds for all models made here."""
    meant = (
        "It scores completions of a prompt as those who labeled would: to train and choose policies, and to judge "
        "completions side by side. It is no measure of truth, of harm, or of a person."
        if about.model.role == "reward"
        else "It answers prompts like those that it was trained on, for people who can check the answer."
    )
    never = (
        "It is not meant to decide about people (credit, work, health, law, benefits), to give professional advice "
        "that nobody checks, or to write to people who do not know that a model writes."
    )
    own = [f"> {line}" for line in about.use.strip().splitlines()]
    said = "\n".join(["Its owner says:", "", *own, ""]) if own else ""
    return f"{said}\n{meant} {never}".strip()


def _training(run: Run | None) -> str:
    """Say how large the training was, and from which hashes it was made."""
    if run is None:
        return "The run that made it is not here any more, so nothing can be said of it."
    seeds = ", ".join(f"{name} {value}" for name, value in run.record["seeds"].items()) or "none"
    rows = [
        f"| {role} | {spent.flops:.3g} | {spent.seconds:,.0f} | {spent.tokens:,} |"
        for role, spent in run.ledger.totals().items()
    ]
    made = [f"- {name}: `{sha256}`" for name, sha256 in run.parents.items()]
    table = ["| Role | Floating-point operations | Seconds | Tokens |", "|---|---|---|---|", *rows]
    steps = run.last_step()
    told = f"Stage {run.stage}, {0 if steps is None else steps:,} steps, seeds: {seeds}; Tutelage "
    told += f"{run.record['code']['version']}."
    return "\n".join([told, "", *(table if rows else ["Nothing is known of its compute."]), "", *made]).rstrip()


def _results(about: About) -> str:
    """List the figures of every evaluation that was named, with interval, n and page."""
    if not about.results:
        return "No evaluation was named when this card was written, so it claims nothing."
    parts = []
    for result, link in zip(about.results, about.pages, strict=True):
        judges = f" Judged by: {result.judges}." if result.judges else ""
        whole = f" All figures and what they are counted from: [{link}]({link})." if link else ""
        more = f" {result.more:,} more figures are not shown." if result.more else ""
        rows = [f"| {_named(one)} | {_figure(one)} | {one.n:,} |" for one in result.figures]
        table = ["| What | Mean [95 % interval] | n |", "|---|---|---|", *rows]
        parts.append(
            "\n".join([f"### {_safe(result.name)}", "", *table, "", f"{judges}{whole}{more}".strip()]).rstrip()
        )
    return "\n\n".join(parts)


def _named(figure: Figure) -> str:
    return _safe(": ".join(part.replace("_", " ") for part in figure.path))


def _figure(figure: Figure) -> str:
    low, high = ("?" if bound is None else plain(bound, 3) for bound in (figure.low, figure.high))
    return f"{plain(figure.mean, 3)} [{low}, {high}]"


def _safe(name: str) -> str:
    """Write what others named so that it stays text, and one cell of it."""
    return " ".join("".join("\\" + one if one in "\\`*_[]<>#|!~&" else one for one in name).split())


def _base(about: About) -> str:
    base, licence = (_safe(str(about.card.get(name, UNKNOWN))) for name in ("model", "licence"))
    files = f" Its text is in {', '.join(f'`{name}`' for name in about.licences)}." if about.licences else ""
    return f"Base: {base}. Licence of the base: {licence}.{files} What is made from it stays under that licence."


def _learned(learned: Sequence[Learned]) -> str:
    if not learned:
        return "The registry knows of no label or prompt that it was trained on."
    rows = []
    for one in learned:
        labelers = f"{one.labelers:,}" if one.labelers else "–"
        rows.append(f"| {one.what} | {_who(one)} | {labelers} | {_safe(one.instructions) or '–'} | {one.rows:,} |")
    return "\n".join(["| What | Whose | Labelers | Instructions | Number |", "|---|---|---|---|---|", *rows])


def _who(one: Learned) -> str:
    if one.what == "prompts":
        return f"source: {_safe(one.kind)}{f' ({_safe(one.consent)})' if one.consent else ''}"
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
    unknown = "" if about.results else "; no figure of its evaluation is part of this card"
    return (
        f"{own} Languages and kinds of prompts that it saw little of are less reliable. Judge it on prompts of your "
        f"own before anybody relies on it{unknown}."
    )
