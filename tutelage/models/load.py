"""Load, make and save causal language models: local directories, safetensors only, no code from model directories."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM, PreTrainedModel
from transformers import PreTrainedTokenizerFast as Tokenizer
from transformers.utils import logging as transformers_logging

from tutelage.config import Settings
from tutelage.errors import DataError, MissingError
from tutelage.files import atomic_directory
from tutelage.models.distributed import number, whole
from tutelage.models.roles import RolePolicy
from tutelage.models.wiring import THETA, relate_spellings, wire_induction

#: Names that hold pickles, which run code when they are read.
PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")
# The library's own bars would run through those of the command line.
transformers_logging.disable_progress_bar()


class Shape(Settings):
    """The size of a new Llama-shaped model. The default has about 1M parameters."""

    hidden: int = 128
    """Width of the residual stream."""
    layers: int = 4
    """Number of layers."""
    heads: int = 4
    """Attention heads; the width must divide by it."""
    kv_heads: int = 2
    """Heads of keys and values, shared by the attention heads; fewer make sampling faster."""
    feedforward: int = 384
    """Width inside the feed-forward blocks."""
    context: int = 256
    """Longest sequence in tokens."""
    looks_back: bool = False
    """Begin with the circuit that copies from the context (see `models.wiring`), for models that read little text."""


def fresh(shape: Shape, tokenizer: Tokenizer, seed: int) -> PreTrainedModel:
    """Make a new Llama-shaped model with random weights; embedding and head are tied, as in GPT-3."""
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=shape.hidden,
        intermediate_size=shape.feedforward,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.kv_heads,
        max_position_embeddings=shape.context,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        attention_bias=shape.looks_back,
        rope_parameters={"rope_type": "default", "rope_theta": THETA if shape.looks_back else 10_000.0},
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = LlamaForCausalLM(config)
    if shape.looks_back:
        generator = torch.Generator().manual_seed(seed)
        wire_induction(model, generator)
        relate_spellings(model, tokenizer, generator)
    return model.eval()


def load_policy(path: Path | str, *, dtype: torch.dtype = torch.float32) -> tuple[PreTrainedModel, Tokenizer]:
    """Load a causal language model and its tokenizer from a directory."""
    model = load_model(path, dtype=dtype)
    _check_head(model, Path(path))
    return model, load_tokenizer(path)


def load_model(path: Path | str, *, dtype: torch.dtype = torch.float32) -> PreTrainedModel:
    """Load the weights of a causal language model, in eval mode."""
    path = Path(path)
    require_safetensors(path)

    def read() -> PreTrainedModel:
        return AutoModelForCausalLM.from_pretrained(
            path, dtype=dtype, local_files_only=True, use_safetensors=True, trust_remote_code=False
        )

    return told(path, read).eval()


def load_tokenizer(path: Path | str) -> Tokenizer:
    """Load the tokenizer of a model directory; it must know an end token."""
    path = Path(path)
    if not path.is_dir():
        raise MissingError(f"There is no model directory {path}; name one, or make it with `tutelage models add`.")

    def read() -> Any:
        return AutoTokenizer.from_pretrained(path, local_files_only=True, trust_remote_code=False)

    tokenizer: Tokenizer = told(path, read)
    if not isinstance(tokenizer, Tokenizer):
        raise DataError(f"The tokenizer in {path} has no tokenizer.json; save it again as a fast tokenizer.")
    if tokenizer.eos_token_id is None:
        raise DataError(f"The tokenizer in {path} has no end token (eos_token); set one in its tokenizer_config.json.")
    return tokenizer


def save(model: PreTrainedModel, tokenizer: Tokenizer, directory: Path | str) -> Path:
    """Write a model directory (config, safetensors, tokenizer) so that it is there whole or not at all."""
    directory = Path(directory)
    with atomic_directory(directory) as part:
        write_into(part, model, tokenizer)
    return directory


def write_into(directory: Path, model: PreTrainedModel, tokenizer: Tokenizer) -> None:
    """Write the files of a model into an existing directory; the caller makes it atomic.

    Where a model is cut, all processes call this together and the first one writes.
    """
    model = whole(model)
    if number() == 0:
        model.save_pretrained(directory, save_original_format=False)
        tokenizer.save_pretrained(directory)


def context_of(model: PreTrainedModel | RolePolicy) -> int:
    """Give the longest sequence in tokens that the model was made for."""
    return int(model.config.max_position_embeddings)


def decoder_of(model: nn.Module) -> nn.Module:
    """Give the stack of layers of a causal language model or of a scalar model."""
    decoder: nn.Module = model.get_decoder() if isinstance(model, PreTrainedModel) else model.trunk  # type: ignore[assignment]
    return decoder


def head_weight(model: PreTrainedModel | RolePolicy) -> Tensor:
    """Give the output embedding [V, H]: logits = hidden @ weight.T."""
    head: Any = model.get_output_embeddings()
    return head.weight


def same_vocabulary(first: Tokenizer, second: Tokenizer, names: str) -> None:
    """Refuse two tokenizers that read text differently: every model of a run must see the same ids."""
    if first.backend_tokenizer.to_str() != second.backend_tokenizer.to_str():
        raise DataError(f"{names} have different tokenizers; train them from the same base model.")


def require_safetensors(path: Path) -> None:
    if not path.is_dir():
        raise MissingError(f"There is no model directory {path}; name one, or make it with `tutelage models add`.")
    if not (path / "config.json").is_file():
        raise MissingError(f"{path} holds no config.json, so it is not a model directory; name one that is.")
    if any(path.glob("*.safetensors")):
        return
    pickles = sorted(found.name for pattern in PICKLES for found in path.glob(pattern))
    if pickles:
        raise MissingError(
            f"{path} holds {pickles[0]} but no .safetensors file; convert it first, for pickles can run code."
        )
    raise MissingError(f"{path} holds no .safetensors file; copy the weights into it, or make the model again.")


def told(path: Path, read: Callable[[], Any]) -> Any:
    """Turn what the library raises about a broken directory into one sentence."""
    try:
        return read()
    except (OSError, ValueError, SafetensorError, RuntimeError, KeyError) as error:
        reason = " ".join(str(error).split())[:200]
        raise DataError(f"The model in {path} cannot be loaded ({reason}); copy it again, or make it again.") from error


@torch.no_grad()
def _check_head(model: PreTrainedModel, path: Path) -> None:
    """Refuse models whose logits are not hidden @ weight.T (soft caps, scales), which every loss here relies on."""
    ids = torch.arange(min(16, model.config.vocab_size)).unsqueeze(0)
    hidden = model.get_decoder()(input_ids=ids, use_cache=False).last_hidden_state
    expected = model(input_ids=ids, use_cache=False).logits
    error = (hidden @ head_weight(model).T - expected).abs().max()
    tolerance = 1e-4 if model.dtype in (torch.float32, torch.float64) else 2e-2
    if not float(error) <= tolerance * float(expected.abs().max()):
        raise DataError(
            f"{path} is a {model.config.model_type} model that changes its logits after the output layer, "
            "which no trainer here supports; use a Llama-like model."
        )
