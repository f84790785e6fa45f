"""Models that give one number at a position: reward and value models. A trunk and a linear head in fp32."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, Self, TypeVar

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import AutoModel, PreTrainedModel
from transformers import PreTrainedTokenizerFast as Tokenizer

from tutelage.core.logprobs import chunked_logprobs
from tutelage.errors import DataError, MissingError, SettingsError
from tutelage.files import atomic_directory
from tutelage.models.load import (
    HEAD_FILE,
    VOCABULARY,
    check_vocabulary,
    head_weight,
    load_tokenizer,
    precisions,
    read_weights,
    require_safetensors,
    told,
    vocabulary_hash,
)
from tutelage.models.packing import run
from tutelage.models.policy import CHUNK, Row, Rows, collate
from tutelage.models.prefix import Groups

#: What safetensors calls the precisions in which a stored model scores otherwise than before it was stored.
NARROW = {"F16", "BF16"}
#: How a new head begins: with weights from N(0, 1 / (H + 1)), or with none, so that all scores begin at 0.
Head = Literal["random", "zero"]
#: A model with a head, of one output or of several.
Headed = TypeVar("Headed", bound="ScalarModel")


class ScalarModel(nn.Module):
    """A language model whose output layer is replaced by a projection to a scalar (paper, C.2).

    With `gain`, a learned number, scores of completions also count their mean log-probability a token under the model
    itself (docs/decisions/006); values do not.
    """

    def __init__(self, trunk: Any, *, likelihood: bool = False, outputs: int = 1) -> None:
        super().__init__()
        self.trunk = trunk
        self.gain = nn.Parameter(torch.ones(1)) if likelihood else None
        self.head = nn.Linear(trunk.config.hidden_size, outputs, dtype=torch.promote_types(trunk.dtype, torch.float32))
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    @classmethod
    def from_policy(
        cls,
        policy: PreTrainedModel,
        seed: int,
        *,
        likelihood: bool = False,
        head: Head = "random",
        trunk: nn.Module | None = None,
    ) -> ScalarModel:
        """Copy a policy's trunk under a new head: weights from N(0, 1 / (H + 1)), bias 0 (as Stiennon et al. 2020).

        With head `zero` the weights are 0. Likelihoods need a policy whose output layer is its embedding. A `trunk`
        that shares the policy's weights takes the place of the copy.
        """
        if likelihood and head_weight(policy) is not policy.get_input_embeddings().weight:
            raise SettingsError("reward.likelihood needs a model whose output layer is its embedding; switch it off.")
        model = cls(copy.deepcopy(policy.get_decoder()) if trunk is None else trunk, likelihood=likelihood)
        return model.begin(seed) if head == "random" else model.eval()

    def begin(self, seed: int) -> Self:
        """Draw the head's weights anew, from N(0, 1 / (H + 1))."""
        generator = torch.Generator().manual_seed(seed)
        outputs, width = self.head.weight.shape
        with torch.no_grad():
            self.head.weight.copy_(torch.randn(outputs, width, generator=generator) / (width + 1) ** 0.5)
        return self.eval()

    def on(self, trunk: Any) -> Self:
        """Give a model like this one on another trunk; its head has other weights."""
        return type(self)(trunk, likelihood=self.gain is not None, outputs=self.head.out_features)

    def at(self, hidden: Tensor, positions: Tensor) -> Tensor:
        """Project hidden states of a stream at flattened positions [N] to scalars [N], in fp32.

        Under autocast too: in bfloat16 scores that differ by less than 1 % would be the same.
        """
        with torch.autocast(hidden.device.type, enabled=False):
            return self.head(hidden.flatten(0, 1)[positions].to(self.head.weight.dtype)).squeeze(-1)

    def score(self, rows: Rows) -> Tensor:
        """Score whole completions at their last counted token: [B]."""
        counts = rows.mask.sum(1)
        assert bool((counts > 0).all()), "a row without counted tokens has no score"
        hidden = run(self.trunk, rows.stream)
        owners = rows.mask.nonzero()[:, 0]
        ends = rows.before[counts.cumsum(0) - 1] + 1
        return self.at(hidden, ends) + self._likely(hidden, rows.before, rows.targets, owners, len(ends))

    def values(self, rows: Rows) -> Tensor:
        """Give the value of the state before each counted token, row by row: [N]."""
        return self.at(run(self.trunk, rows.stream), rows.before)

    def score_groups(self, groups: Groups) -> Tensor:
        """Score the completions of prompts that are computed once and shared: [N], group by group."""
        hidden = run(self.trunk, groups.stream)
        likely = self._likely(hidden, groups.before, groups.targets, groups.owners, len(groups.ends))
        return self.at(hidden, groups.ends) + likely

    def _likely(self, hidden: Tensor, before: Tensor, targets: Tensor, owners: Tensor, count: int) -> Tensor | float:
        """Give each completion's mean log-probability a token, times the gain: [N], or 0 for a model without."""
        if self.gain is None:
            return 0.0
        weight: Tensor = self.trunk.get_input_embeddings().weight  # type: ignore[assignment]
        chunk = max(1, CHUNK // weight.shape[0])
        scored = chunked_logprobs(hidden.flatten(0, 1)[before], weight, targets, chunk, with_entropy=False).logprobs
        sums = torch.zeros(count, dtype=scored.dtype, device=scored.device).index_add(0, owners, scored)
        return self.gain * sums / owners.bincount(minlength=count)


def save_scalar(model: ScalarModel, tokenizer: Tokenizer, directory: Path | str) -> Path:
    """Write a scalar model's directory atomically."""
    with atomic_directory(directory) as part:
        write_scalar(part, model, tokenizer)
    return Path(directory)


def write_scalar(directory: Path, model: ScalarModel, tokenizer: Tokenizer) -> None:
    """Write the files of a scalar model into an existing directory; the caller makes it atomic."""
    setattr(model.trunk.config, VOCABULARY, vocabulary_hash(tokenizer))
    model.trunk.save_pretrained(directory, save_original_format=False)
    tokenizer.save_pretrained(directory)
    head = {"weight": model.head.weight.detach(), "bias": model.head.bias.detach(), "probe": _probe(model)}
    if model.gain is not None:
        head["gain"] = model.gain.detach()
    save_file({name: tensor.cpu().contiguous() for name, tensor in head.items()}, directory / HEAD_FILE)


def load_scalar(path: Path | str, *, dtype: torch.dtype = torch.float32) -> tuple[ScalarModel, Tokenizer]:
    """Load a scalar model and check that it scores a probe as it did when it was saved."""
    path = Path(path)
    model, tokenizer = load_head(path, lambda: read_weights(path, AutoModel, dtype)), load_tokenizer(path)
    check_vocabulary(tokenizer, model.trunk.config, path)
    return model, tokenizer


def load_head(path: Path, read_trunk: Callable[[], Any]) -> ScalarModel:
    """Put the head in a scalar model's directory on a trunk, and check that both score the probe as they did."""
    head = read_head(path, "a reward or value model")
    if len(head["weight"]) != 1:
        raise DataError(f"{path} gives several numbers, so it is a content filter and no reward model; name one.")
    return with_head(path, head, ScalarModel(read_trunk(), likelihood="gain" in head))


def read_head(path: Path, what: str) -> dict[str, Tensor]:
    """Read the head of a model that should be `what`."""
    require_safetensors(path)
    if not (path / HEAD_FILE).is_file():
        raise MissingError(f"{path} has no {HEAD_FILE}, so it is not {what}; name one that is.")
    head: dict[str, Tensor] = told(path, lambda: load_file(path / HEAD_FILE))
    return head


def with_head(path: Path, head: dict[str, Tensor], model: Headed) -> Headed:
    """Put a head's weights in their place, and check that the model scores the probe as it did when it was saved."""
    with torch.no_grad():
        if model.gain is not None:
            model.gain.copy_(head["gain"])
        model.head.weight.copy_(head["weight"])
        model.head.bias.copy_(head["bias"])
    model.eval()
    found = _probe(model)
    is_exact = model.trunk.dtype in (torch.float32, torch.float64) and not NARROW & set(precisions(path).values())
    tolerance = 1e-3 if is_exact else 0.1
    if not torch.allclose(found, head["probe"].to(found), rtol=tolerance, atol=tolerance):
        raise DataError(
            f"The model in {path} scores its probe {_told(found)} instead of {_told(head['probe'])}: "
            "its files do not belong together; copy it again, or train it again."
        )
    return model


def _told(scores: Tensor) -> str:
    return ", ".join(f"{score:.5f}" for score in scores.flatten().tolist())


@torch.no_grad()
def _probe(model: ScalarModel) -> Tensor:
    """Score a fixed short completion: [1], or [1, C] of a model with several outputs."""
    length = min(8, model.trunk.config.vocab_size)
    ids = list(range(length))
    return model.score(collate([Row(ids[: length // 2], ids[length // 2 :])]).to(model.head.weight.device))
