"""Models that give several labels to a text: the trunk and head of a reward model with one output for each label."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoModel, PreTrainedModel
from transformers import PreTrainedTokenizerFast as Tokenizer

from tutelage.errors import DataError, SettingsError
from tutelage.files import read_json, write_json
from tutelage.models.load import check_vocabulary, load_tokenizer, read_weights
from tutelage.models.policy import Row, Rows, collate, cut
from tutelage.models.scalar import ScalarModel, read_head, with_head, write_scalar
from tutelage.models.tokens import Renderer

#: Beside the head: what its outputs mean, and how many tokens it reads at once.
LABELS_FILE = "labels.json"
#: Padded tokens per forward pass.
BUDGET = 8192


class LabelModel(ScalarModel):
    """A language model whose output layer is replaced by a projection to one logit for each label.

    It reads at most `longest` tokens of a text at once.
    """

    labels: tuple[str, ...] = ()
    longest: int = 0

    @classmethod
    def named(cls, trunk: Any, labels: Sequence[str], longest: int) -> LabelModel:
        """Put a head for these labels on a trunk."""
        model = cls(trunk, outputs=len(labels))
        model.labels, model.longest = tuple(labels), longest
        return model

    def on(self, trunk: Any) -> LabelModel:
        """Give a model like this one on another trunk; its head has other weights."""
        return self.named(trunk, self.labels, self.longest)

    def score(self, rows: Rows) -> Tensor:
        """Give the logits of whole texts, read at their last token: [B, C]."""
        return super().score(rows).view(len(rows.mask), -1)


def label_model(
    policy: PreTrainedModel, labels: Sequence[str], longest: int, seed: int, trunk: nn.Module | None = None
) -> LabelModel:
    """Put a new head on a policy's own layers, or on a `trunk` that shares the policy's weights."""
    return LabelModel.named(policy.get_decoder() if trunk is None else trunk, labels, longest).begin(seed)


def keep_lower(decoder: Any, count: int) -> None:
    """Drop all layers of a stack but the lower ones: to tell what a text is about takes fewer than to continue it."""
    layers = getattr(decoder, "layers", None)
    if not isinstance(layers, nn.ModuleList) or not 1 <= count <= len(layers):
        raise SettingsError(f"layers is {count}, and {type(decoder).__name__} has {len(layers or ())}; choose fewer.")
    decoder.layers = layers[:count]
    decoder.config.num_hidden_layers = count
    if getattr(decoder.config, "layer_types", None):
        decoder.config.layer_types = decoder.config.layer_types[:count]


def whole_row(renderer: Renderer, ids: Sequence[int]) -> Row:
    """Lay out a text: what the tokenizer begins with, or the end token, then the text, then the end token."""
    return Row(renderer.start_ids or [renderer.end_id], [*ids, renderer.end_id])


def write_labels(directory: Path, model: LabelModel, tokenizer: Tokenizer) -> None:
    """Write the files of a label model into an existing directory; the caller makes it atomic."""
    write_scalar(directory, model, tokenizer)
    write_json(directory / LABELS_FILE, {"labels": list(model.labels), "longest": model.longest})


def is_label_model(path: Path) -> bool:
    """Say whether a directory holds a label model."""
    return (path / LABELS_FILE).is_file()


def load_labels(path: Path | str, *, dtype: torch.dtype = torch.float32) -> tuple[LabelModel, Tokenizer]:
    """Load a label model and check that it scores a probe as it did when it was saved."""
    path = Path(path)
    head = read_head(path, "a content filter")
    if not is_label_model(path):
        raise DataError(f"{path} has no {LABELS_FILE}, so it is no content filter; name one that is.")
    about = read_json(path / LABELS_FILE)
    labels = tuple(map(str, about["labels"]))
    if len(labels) != len(head["weight"]):
        raise DataError(f"{path} names {len(labels)} labels for {len(head['weight'])} outputs; copy it again.")
    trunk = read_weights(path, AutoModel, dtype)
    model, tokenizer = LabelModel.named(trunk, labels, int(about["longest"])), load_tokenizer(path)
    check_vocabulary(tokenizer, trunk.config, path)
    return with_head(path, head, model), tokenizer


class Labeller:
    """A label model that reads texts of any length."""

    def __init__(self, model: LabelModel, tokenizer: Tokenizer) -> None:
        self.model, self.renderer = model, Renderer(tokenizer)

    def classify(self, texts: Sequence[str]) -> list[dict[str, float]]:
        """Give the probability of each label for each text; of a longer text, the highest of its pieces."""
        pieces = [
            (number, piece) for number, ids in enumerate(self.renderer.texts_ids(texts)) for piece in self._cut(ids)
        ]
        logits = row_logits(self.model, [whole_row(self.renderer, piece) for _, piece in pieces])
        found = [dict.fromkeys(self.model.labels, 0.0) for _ in texts]
        for (number, _), chances in zip(pieces, logits.sigmoid().tolist(), strict=True):
            for label, chance in zip(self.model.labels, chances, strict=True):
                found[number][label] = max(found[number][label], chance)
        return found

    def _cut(self, ids: Sequence[int]) -> list[Sequence[int]]:
        """Cut what is too long into pieces, each of which begins in the middle of the one before."""
        longest = self.model.longest
        last = max(0, len(ids) - longest)
        return [ids[start : start + longest] for start in [*range(0, last, max(1, longest // 2)), last]]


@torch.no_grad()
def row_logits(model: LabelModel, rows: Sequence[Row], budget: int = BUDGET) -> Tensor:
    """Give the logits of each row, in their order: [N, C] on the CPU."""
    device = model.head.weight.device
    found = torch.zeros(len(rows), model.head.out_features, dtype=model.head.weight.dtype)
    for part in cut([row.length for row in rows], budget):
        found[part] = model.score(collate([rows[i] for i in part]).to(device)).cpu()
    return found
