"""Write a model as other programs load it: through the library's own classes, checked before it is there.

A policy is a causal language model, whole or as a base with the adapter that makes it this policy. A reward model is a
sequence classifier with one label. No such class of the library has a bias in its output layer, and the bias is what
says where 0 is: it travels as an adapter of that layer, which the library puts into force where peft is installed
(docs/decisions/031).
"""

from __future__ import annotations

import copy
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, PreTrainedModel
from transformers import PreTrainedTokenizerFast as Tokenizer

from tutelage.errors import DataError, InvariantError
from tutelage.files import write_json
from tutelage.models.adapters import CONFIG_FILE, PREFIX, WEIGHTS_FILE, Adapters
from tutelage.models.load import load_policy
from tutelage.models.scalar import ScalarModel, load_scalar

#: What the library calls the output layer of its classifiers, and where the bias stands for who has no peft.
SCORE, BIAS = "score", "score_bias"
#: Largest difference of logits and scores, as a share of the largest one, that rounding explains.
ROUNDING = 1e-4


def write_policy(source: Path, target: Path) -> None:
    """Write the policy in a model directory into an existing one, with its adapters merged."""
    model, tokenizer = load_policy(source)
    _write(target, model, tokenizer)
    _check_policy(model, target)


def write_adapted(source: Path, base: Path, adapter: Path, target: Path) -> None:
    """Write the base of the policy in a model directory, and the adapter that makes it that policy, side by side."""
    model, tokenizer = load_policy(base)
    _write(target, model, tokenizer)
    Adapters(model).load("policy", adapter)  # refuses one of another base
    for name in (CONFIG_FILE, WEIGHTS_FILE):
        shutil.copyfile(adapter / name, target / name)
    _check_policy(load_policy(source)[0], target)


def write_classifier(source: Path, target: Path) -> None:
    """Write the reward model in a model directory as a sequence classifier whose one logit is the score.

    The classifier reads a text at the last token that is not padding, so padding must not be what ends a text: a model
    without such a token of its own scores one text at a time.
    """
    model, tokenizer = load_scalar(source)
    if model.gain is not None:
        raise DataError(
            f"The reward model in {source} counts likelihoods, which no classifier computes; train one with "
            "reward.likelihood = false."
        )
    pad = tokenizer.pad_token_id if tokenizer.pad_token_id != tokenizer.eos_token_id else None
    if pad is None:
        tokenizer.pad_token = None
    classifier = _classifier(model, pad)
    setattr(classifier.config, BIAS, float(model.head.bias.detach()))
    _write(target, classifier, tokenizer)
    _write_bias(model.head, target)
    _check_scores(model, tokenizer, target)


def _write(target: Path, model: PreTrainedModel, tokenizer: Tokenizer) -> None:
    """Write in the form that the architecture's models are published in."""
    model.save_pretrained(target)
    tokenizer.save_pretrained(target)


def _classifier(model: ScalarModel, pad: int | None) -> PreTrainedModel:
    """Put the trunk and the head's weights into the library's class for its architecture."""
    config = copy.deepcopy(model.trunk.config)
    config.num_labels, config.pad_token_id = 1, pad
    try:
        with torch.device("meta"):
            made: Any = AutoModelForSequenceClassification.from_config(config)
    except ValueError as error:
        raise DataError(f"There is no sequence classifier of {config.model_type} models; export the policy.") from error
    setattr(made, made.base_model_prefix, model.trunk)
    getattr(made, SCORE).weight = nn.Parameter(model.head.weight.detach(), requires_grad=False)
    return made.eval()  # type: ignore[no-any-return]


def _write_bias(head: nn.Linear, target: Path) -> None:
    """Write the adapter of the output layer: factors of 0, and the bias behind them."""
    from peft import LoraConfig

    config = LoraConfig(r=1, lora_alpha=1, target_modules=[SCORE], lora_bias=True, inference_mode=True)
    told = {key: sorted(value) if isinstance(value, set) else value for key, value in config.to_dict().items()}
    write_json(target / CONFIG_FILE, told)
    at = f"{PREFIX}{SCORE}"
    tensors = {
        f"{at}.lora_A.weight": torch.zeros(1, head.in_features),
        f"{at}.lora_B.weight": torch.zeros(1, 1),
        f"{at}.lora_B.bias": head.bias.detach().clone(),
    }
    save_file(tensors, target / WEIGHTS_FILE, metadata={"format": "pt"})


def load_classifier(directory: Path) -> Any:
    """Load an exported reward model as any program does, with what peft says of its bias left unsaid."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*has no bias", category=UserWarning)
        return AutoModelForSequenceClassification.from_pretrained(directory, local_files_only=True).eval()


def _check_policy(model: PreTrainedModel, target: Path) -> None:
    loaded = AutoModelForCausalLM.from_pretrained(target, local_files_only=True).eval()
    ids = torch.arange(min(16, model.config.vocab_size)).unsqueeze(0)
    _check(lambda: loaded(input_ids=ids).logits, lambda: model(input_ids=ids).logits)


def _check_scores(model: ScalarModel, tokenizer: Tokenizer, target: Path) -> None:
    loaded = load_classifier(target)
    wanted = [number for number in range(model.trunk.config.vocab_size) if number != tokenizer.pad_token_id][:16]
    ids = torch.tensor([wanted])

    def expected() -> Tensor:
        return model.head(model.trunk(input_ids=ids, use_cache=False).last_hidden_state[:, -1])  # type: ignore[no-any-return]

    _check(lambda: loaded(input_ids=ids).logits, expected)


@torch.no_grad()
def _check(found: Callable[[], Tensor], expected: Callable[[], Tensor]) -> None:
    """Compare what the written model computes with what it was written from."""
    ours = expected().float()
    error = float((found().float() - ours).abs().max())
    if not error <= ROUNDING * max(1.0, float(ours.abs().max())):
        raise InvariantError(
            f"The model in its exported form computes other numbers than it was made from, by {error}; nothing was "
            "exported."
        )
