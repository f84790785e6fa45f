"""What a causal language model must be able to do to be trained here, tried before anything is computed with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel

from tutelage.errors import DataError
from tutelage.models.packing import run
from tutelage.models.prefix import Group, collate_groups

#: What is known to work, for the sentences that refuse another.
KNOWN = "a GPT-2-, GPT-NeoX-, Llama-, Qwen- or Gemma-like model"


def check_supported(model: PreTrainedModel, path: Path) -> None:
    """Refuse architectures that no trainer or sampler here can use: one sentence, after two passes of a few tokens."""
    _check_text(model.config, path)
    ids = [number % model.config.vocab_size for number in range(1, 13)]
    # What is computed around this in low precision is compared here in the model's own.
    with torch.no_grad(), torch.autocast(model.device.type, enabled=False):
        hidden = _alone(model, ids)
        _check_head(model, ids, hidden, path)
        _check_shared(model, ids, path)


def _check_text(config: Any, path: Path) -> None:
    """Refuse models of more than text, and those that do not say how much text they read."""
    if config.get_text_config() is not config:
        raise DataError(f"{path} is a {config.model_type} model, which reads more than text; use its text model alone.")
    kinds = [name for name in config.architectures or () if not name.endswith(("ForCausalLM", "LMHeadModel"))]
    if kinds:
        raise DataError(f"{path} is a {kinds[0]} and writes no text; name a causal language model.")
    if not isinstance(getattr(config, "max_position_embeddings", None), int):
        raise DataError(
            f"{path} is a {config.model_type} model, which names no longest text (max_position_embeddings), as models "
            f"without numbered positions do not; use {KNOWN}."
        )


def _check_head(model: PreTrainedModel, ids: list[int], hidden: Tensor, path: Path) -> None:
    """Refuse models whose logits are not hidden @ weight.T (soft caps, scales, biases), which every loss relies on."""
    head: Any = model.get_output_embeddings()
    expected = model(input_ids=torch.tensor([ids], device=hidden.device), use_cache=False).logits[0]
    if not _is_near(hidden @ head.weight.T, expected):
        raise DataError(
            f"{path} is a {model.config.model_type} model that changes its logits after the output layer, "
            f"which no trainer here supports; use {KNOWN} that does not."
        )


def _check_shared(model: PreTrainedModel, ids: list[int], path: Path) -> None:
    """Refuse models in which completions that share a prompt see each other, or stand at other positions than alone.

    Positions that are counted from the mask (ALiBi), and layers that mix tokens in another way than by attention, do
    not follow the positions and the mask that they are given.
    """
    prompt, first, second = ids[:4], ids[4:7], ids[7:]
    stream = collate_groups([Group(prompt, [first, second])]).to(model.device).stream
    tails = [_alone(model, prompt + tail)[len(prompt) :] for tail in (first, second)]
    try:
        # 30 layers in bfloat16 differ by 0.026 where all is right, and by 1 where a completion sees the other one.
        is_told = _is_near(run(model.get_decoder(), stream)[0], torch.cat([_alone(model, prompt), *tails]), narrow=0.2)
    except (TypeError, ValueError, IndexError, RuntimeError):  # another kind of mask was expected
        is_told = False
    if not is_told:
        raise DataError(
            f"{path} is a {model.config.model_type} model, which does not take the positions and the mask that it is "
            f"given (as with ALiBi), so texts cannot be packed nor share a prompt; use {KNOWN}."
        )


def _alone(model: PreTrainedModel, ids: list[int]) -> Tensor:
    """Compute one row: [T, H]."""
    row = torch.tensor([ids], device=model.device)
    return model.get_decoder()(input_ids=row, use_cache=False).last_hidden_state[0]  # type: ignore[no-any-return, operator]


def _is_near(found: Tensor, expected: Tensor, narrow: float = 0.03) -> bool:
    """Compare in the precision of the model, as a whole: in bfloat16, single numbers go astray in deep models."""
    tolerance = 1e-4 if expected.dtype in (torch.float32, torch.float64) else narrow
    return float((found - expected).float().norm()) <= tolerance * float(expected.float().norm())
