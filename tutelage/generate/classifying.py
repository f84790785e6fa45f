"""The engine process of a classifier: texts in, probabilities by label out; all that waits is computed at once."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import torch
from transformers import AutoModelForSequenceClassification

from tutelage.errors import DataError, UnavailableError, UserError
from tutelage.files import read_json
from tutelage.generate.wire import frame, read_frame
from tutelage.models.attention import compute_streams
from tutelage.models.classifier import Labeller, is_label_model, load_labels
from tutelage.models.load import read_tokenizer, read_weights

CONFIG_FILE = "config.json"
#: Most texts of one forward pass.
MOST_TEXTS = 64
#: Tokens that a classifier reads at once at most, whatever it could.
LONGEST = 512


class Scorer(Protocol):
    """What computes; `context` is how many tokens it reads at once."""

    context: int

    def classify(self, texts: Sequence[str]) -> list[dict[str, float]]:
        """Return for each text the probability of each label."""


class TrainedScorer:
    """A content filter that was trained here."""

    def __init__(self, path: Path, dtype: torch.dtype) -> None:
        model, tokenizer = load_labels(path, dtype=dtype)
        compute_streams(model.trunk)
        self._labeller, self.context = Labeller(model, tokenizer), model.longest

    def classify(self, texts: Sequence[str]) -> list[dict[str, float]]:
        """Return for each text the probability of each category."""
        return self._labeller.classify(texts)


class SequenceScorer:
    """A sequence classifier of transformers, of one label out of several or of several at once."""

    def __init__(self, path: Path, dtype: torch.dtype) -> None:
        self._model: Any = read_weights(path, AutoModelForSequenceClassification, dtype)
        self._tokenizer = read_tokenizer(path)
        config: Any = self._model.config
        self._labels = [str(config.id2label[number]) for number in range(config.num_labels)]
        self._is_multiple = config.problem_type == "multi_label_classification" or config.num_labels == 1
        self.context = int(min(self._tokenizer.model_max_length, config.max_position_embeddings, LONGEST))
        if self._tokenizer.pad_token_id is None:
            raise DataError(f"The tokenizer in {path} has no padding token; add one to its files.")

    @torch.no_grad()
    def classify(self, texts: Sequence[str]) -> list[dict[str, float]]:
        """Return for each text the probability of each label; of a longer text, the highest of its pieces."""
        encoded = self._tokenizer(
            list(texts),
            truncation=True,
            max_length=self.context,
            stride=self.context // 2,
            return_overflowing_tokens=True,
            padding=True,
            return_tensors="pt",
        )
        owners = encoded.pop("overflow_to_sample_mapping").tolist()
        logits = self._model(**encoded).logits.float()
        chances = logits.sigmoid() if self._is_multiple else logits.softmax(-1)
        found = [dict.fromkeys(self._labels, 0.0) for _ in texts]
        for owner, row in zip(owners, chances.tolist(), strict=True):
            for label, chance in zip(self._labels, row, strict=True):
                found[owner][label] = max(found[owner][label], chance)
        return found


class ClassifierServer:
    """Answers connections: `{"op": "classify", "tag", "texts"}` with `{"kind": "classified", "tag", "scores"}`."""

    def __init__(self, scorer: Scorer) -> None:
        self.scorer = scorer
        self._waiting: list[tuple[str, asyncio.Future[dict[str, float]]]] = []
        self._computing: asyncio.Task[None] | None = None

    @property
    def context(self) -> int:
        """Return how many tokens are read at once."""
        return self.scorer.context

    async def connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one gateway until it goes."""
        tasks: dict[int, asyncio.Task[None]] = {}
        try:
            while (message := await read_frame(reader)) is not None:
                tag = message["tag"]
                if message["op"] == "cancel":
                    if tag in tasks:
                        tasks[tag].cancel()
                    continue
                tasks[tag] = task = asyncio.create_task(self._answer(message, writer))
                task.add_done_callback(lambda _, tag=tag: tasks.pop(tag, None))  # type: ignore[misc]
        finally:
            for task in list(tasks.values()):
                task.cancel()
            writer.close()

    async def _answer(self, message: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        tag = message["tag"]
        if message["op"] != "classify":
            writer.write(frame({"tag": tag, "kind": "refused", "message": "A classifier writes no text."}))
            return
        try:
            scores = await asyncio.gather(*map(self._scored, message["texts"]))
            writer.write(frame({"tag": tag, "kind": "classified", "scores": scores}))
            with contextlib.suppress(ConnectionError):
                await writer.drain()
        except UserError as error:
            writer.write(frame({"tag": tag, "kind": "failed", "message": str(error)}))

    async def _scored(self, text: str) -> dict[str, float]:
        future: asyncio.Future[dict[str, float]] = asyncio.get_running_loop().create_future()
        self._waiting.append((text, future))
        if self._computing is None or self._computing.done():
            self._computing = asyncio.create_task(self._compute())
        return await future

    async def _compute(self) -> None:
        """Compute what waits, many texts at once, until nothing does; what nobody waits for any more is left out."""
        while self._waiting:
            part, self._waiting = self._waiting[:MOST_TEXTS], self._waiting[MOST_TEXTS:]
            part = [(text, future) for text, future in part if not future.done()]
            try:
                found = await asyncio.to_thread(self.scorer.classify, [text for text, _ in part]) if part else []
            except Exception as error:
                for _, future in part:
                    if not future.done():
                        future.set_exception(UnavailableError(f"The classifier failed: {error}"))
                continue
            for (_, future), scores in zip(part, found, strict=True):
                if not future.done():
                    future.set_result(scores)


def is_classifier(path: Path) -> bool:
    """Say whether a model directory holds a classifier of texts."""
    if is_label_model(path):
        return True
    about = read_json(path / CONFIG_FILE) if (path / CONFIG_FILE).is_file() else {}
    return any(str(name).endswith("ForSequenceClassification") for name in about.get("architectures") or ())


def scorer_of(path: Path, dtype: torch.dtype) -> Scorer:
    """Load a classifier."""
    return TrainedScorer(path, dtype) if is_label_model(path) else SequenceScorer(path, dtype)
