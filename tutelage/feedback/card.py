"""The card of an export: what is in it, what was left out, and how it is read, for a person."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from tutelage.feedback import columns
from tutelage.feedback.export import ROWS, Query

if TYPE_CHECKING:
    from tutelage.feedback.dataset import Manifest

_TITLES = {
    "sft": "Demonstrations for supervised fine-tuning",
    "reward": "Rankings for a reward model",
    "ppo": "Prompts for PPO",
    "ratings": "Ratings of single outputs",
    "toxicity": "Judgements of toxicity",
    "comparisons": "Comparisons of models",
}
#: What the rows are called.
NOUNS = {
    "sft": "Demonstrations",
    "reward": "Rankings",
    "ratings": "Ratings",
    "toxicity": "Judgements of toxicity",
    "comparisons": "Comparisons",
}
_LEFT_OUT = (
    "Left out are prompts whose users gave no consent or took it back, near-duplicates, prompts beyond the number that "
    "one user may have, and prompts with personal data that was found and not redacted."
)
_LABELS_LEFT_OUT = (
    "Left out are labels that a later revision supersedes, labels that were returned and not revised since, labels for "
    "any other purpose (gold, repeat, agreement, screening, evaluation), labels of held-out, opposed and researching "
    "labelers, and labels of labelers who withdrew."
)
_WITHDRAWN_TEXTS = {
    "reward": " Rankings of a text that a withdrawn labeler wrote are left out too.",
    "ratings": " Judgements of a text that a withdrawn labeler wrote are left out too.",
    "toxicity": " Judgements of a text that a withdrawn labeler wrote are left out too.",
    "comparisons": " Comparisons of a text that a withdrawn labeler wrote are left out too.",
}
_EVALUATION_LEFT_OUT = (
    "Left out are judgements that a later revision supersedes, judgements that were returned and not revised since, "
    "judgements for any other purpose, and judgements of labelers who withdrew. No export for training holds any of "
    "these rows, and they must not be trained on: they measure models."
)
_COLUMNS = {
    "label_id": "the label's row in the store; lineage and withdrawals name it",
    "prompt_id": "the prompt's row in the store",
    "prompt": "the prompt",
    "completion": "what the labeler wrote",
    "completions": "the outputs in the order of the labeler's screen, which says nothing of rank",
    "ranks": "the rank of each output, 0 is best; equal ranks are ties",
    "cut": "whether each output was cut at the length cap, so that no end token follows it",
    "ratings": "the quality of each output, 1 to 7; empty if the labeler rated none",
    "flags": "for each output its flags by name: yes, no, or null for not answered, which is not no; empty likewise",
    "policies": "the model that wrote each output; the labeler did not know it",
    "policy": "the model that wrote the output; the labeler did not know it",
    "quality": "the overall quality, 1 to 7",
    "beginning": "how toxic the prompt is, 0 to 2; null for not answered",
    "toxicity": "how toxic the output is, 0 to 2; null for not answered",
    "relative": "the output beside the prompt: -1 less toxic, 0 the same, 1 more; null for not answered",
    "continuity": "how well the output goes on from the prompt, 1 to 7; null for not answered",
    "rank": "the rank among the outputs shown together, 0 is best; equal ranks are ties",
    "work": "the task that the rating came in with: rate, or rank; empty if it was imported",
    "labeler": "the labeler's pseudonym",
    "instruction_version": "the instructions that the label was made under",
    "use_case": "the use case of the prompt, empty if nobody said",
    "source": "where the prompt came from",
    "split": "the split of the prompt",
}
#: Columns that hold one value where those of rankings hold a list.
_OF_ONE_OUTPUT = {
    "completion": "the output that was judged",
    "cut": "whether the output was cut at the length cap, so that no end token follows it",
    "flags": "the flags by name: yes, no, or null for not answered, which is not no",
}
#: What the card counts, and what it calls it; labelers are only counted, the manifest lists them.
_COUNTED = {
    "kind": "Kind of labeler",
    "group": "Group of labelers",
    "purpose": "Purpose",
    "use_case": "Use case",
    "source": "Source of the prompt",
    "split": "Split of the prompt",
    "policy": "Model that wrote the output",
    "work": "Task",
}


def in_words(query: Query) -> tuple[str, ...]:
    """Return what a query takes and leaves out, in sentences."""
    if query.what == "ppo":
        return (f"Prompts of the split {query.split} that are set aside for the stage {query.stage!r}.", _LEFT_OUT)
    noun = NOUNS[query.what]
    if not query.is_for_training:
        return (
            f"{noun} by labelers of the kind {query.kind} in the group {query.group}, made for the purpose evaluation, "
            "on prompts of all splits.",
            _EVALUATION_LEFT_OUT,
            _LEFT_OUT + _WITHDRAWN_TEXTS[query.what],
        )
    batch = f" in tasks whose ids begin with {query.tasks!r}" if query.tasks else ""
    return (
        f"{noun} by labelers of the kind {query.kind} in the group training, made for the purpose train{batch}, on "
        f"prompts of the split {query.split}.",
        _LABELS_LEFT_OUT,
        _LEFT_OUT + _WITHDRAWN_TEXTS.get(query.what, ""),
    )


def text(manifest: Manifest, query: Query, file: str) -> str:
    """Return the card; its head names the file of rows to the library `datasets`."""
    told = _COLUMNS | (_OF_ONE_OUTPUT if query.what in ("ratings", "toxicity") else {})
    names = [name for name in told if name in ROWS[query.what].__dataclass_fields__]
    split = query.split if query.is_for_training else "test"
    title = _TITLES[query.what] + ("" if query.is_for_training else ", for evaluation")
    rows = f"rows of the split {query.split}" if query.is_for_training else f"rows of the group {query.group}"
    parts = [
        _head(query, split, file),
        f"# {title}",
        f"{manifest.rows:,} {rows}. {_dated(manifest)}",
        "## What is in it",
        "\n".join(f"- {sentence}" for sentence in manifest.words),
        _table("Column", "What it holds", {f"`{name}`": told[name] for name in names}),
        *_counts(manifest),
        *_instructions(manifest),
        "## Reading it",
        _reading(query, split, file),
        "## Checking it",
        f"SHA-256 of the rows (`rows.jsonl`): `{manifest.sha256}`. `manifest.json` has the hashes of all files and all "
        f"counts. The same store gives the same bytes. Written by {manifest.product}.",
        "Who withdraws later is still in these rows: make a new export then, and delete this one.",
    ]
    return "\n\n".join(parts) + "\n"


def _head(query: Query, split: str, file: str) -> str:
    """Tell the library `datasets` which file holds which split, and of which types its columns are."""
    files = ["configs:", "- config_name: default", "  data_files:", f"  - split: {split}", f"    path: {file}"]
    return "\n".join(["---", *files, *columns.in_yaml(query.what), "---"])


def _dated(manifest: Manifest) -> str:
    if not manifest.newest:
        return "The store had none."
    newest = "prompt" if manifest.query["what"] == "ppo" else "label"
    return f"The newest {newest} in it is of {manifest.newest}."


def _counts(manifest: Manifest) -> list[str]:
    if not manifest.counts:
        return []
    rows = {
        f"{title}: {value or 'not said'}": f"{number:,}"
        for name, title in _COUNTED.items()
        for value, number in manifest.counts.get(name, {}).items()
    }
    labelers = manifest.counts.get("labeler")
    if labelers:
        rows["Different labelers"] = f"{len(labelers):,}"
    return ["## Counts", _table("What", "Rows", rows)]


def _instructions(manifest: Manifest) -> list[str]:
    if not manifest.instructions:
        return []
    rows = {f"`{told.version}`, {told.labels:,} labels": f"`{told.sha256}`" for told in manifest.instructions}
    return ["## Instructions of the labelers", _table("Version", "SHA-256 of its text", rows)]


def _reading(query: Query, split: str, file: str) -> str:
    use = "No command trains on it."
    if query.what in ("sft", "reward", "ppo"):
        use = f"`tutelage train {query.what}` trains on it with `--data rows.jsonl`."
    return (
        "```python\nfrom datasets import load_dataset\n\n"
        f'rows = load_dataset("PATH/OF/THIS/DIRECTORY", split="{split}")\n```\n\n'
        f"The head of this card names {file} and the type of every column; without it a flag that nobody answered in "
        f"the first rows would be taken for one that nobody ever answers. {use}"
    )


def _table(left: str, right: str, rows: Mapping[str, str]) -> str:
    return "\n".join([f"| {left} | {right} |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows.items())])
