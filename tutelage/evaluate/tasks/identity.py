"""What makes an answer: weights, tokenizer, template, decoding, task version and question. A record is keyed by all.

Names and paths never enter a key: other weights under the same name are another model.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from fnmatch import fnmatch
from pathlib import Path

from tutelage.errors import MissingError
from tutelage.evaluate.tasks.question import Question
from tutelage.evaluate.tasks.task import Task
from tutelage.files import content_hash, sha256_of

#: Files that decide how text becomes tokens, and those that decide nothing.
TOKENIZER = ("tokenizer*", "special_tokens_map.json", "added_tokens.json", "vocab.*", "merges.txt", "chat_template*")
IDLE = ("*.md", "LICENSE*", "card.json", ".*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """The hashes of a model, and in which form and precision it is asked."""

    weights: str
    tokenizer: str
    template: str
    precision: str


def identify(directory: Path, *, form: str, precision: str) -> Identity:
    """Hash a model's directory: what is not its tokenizer, and can change a number, is its weights.

    In the form `text` no template is used; a chat template is hashed as it stands in the tokenizer's files.
    """
    if not directory.is_dir():
        raise MissingError(f"There is no model directory {directory}.")
    parts: dict[bool, dict[str, str]] = {True: {}, False: {}}
    for path in sorted(directory.rglob("*")):
        if path.is_file() and not _is(path, IDLE):
            parts[_is(path, TOKENIZER)][path.relative_to(directory).as_posix()] = sha256_of(path)
    tokenizer = content_hash(parts[True])
    return Identity(
        weights=content_hash(parts[False]),
        tokenizer=tokenizer,
        template="text" if form == "text" else f"{form} {tokenizer}",
        precision=precision,
    )


def _is(path: Path, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch(path.name, pattern) for pattern in patterns)


def key_of(model: Identity, task: Task, question: Question) -> str:
    """Name the record of a question by all that its answer depends on; what is right is no part of it."""
    asked = {
        "task": task.name,
        "version": task.version,
        "item": question.item,
        "condition": question.condition,
        "prompt": question.prompt,
        "choices": question.choices,
        "decoding": question.decoding,
    }
    return content_hash({**asdict(model), **asked})
