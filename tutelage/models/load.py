"""Load, make and save causal language models: local directories, safetensors only, no code from model directories."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM, PreTrainedModel
from transformers import PreTrainedTokenizerFast as Tokenizer
from transformers.utils import logging as transformers_logging

from tutelage.config import Settings
from tutelage.errors import DataError, MissingError
from tutelage.files import atomic_directory, content_hash, read_json, sha256_of
from tutelage.models.distributed import number, whole
from tutelage.models.roles import RolePolicy
from tutelage.models.supported import check_supported
from tutelage.models.untrusted import check_settings
from tutelage.models.wiring import THETA, relate_spellings, wire_induction

logger = logging.getLogger(__name__)

#: The names of weights in one file, and of the list of files that weights are spread over.
WEIGHTS_FILE, INDEX_FILE = "model.safetensors", "model.safetensors.index.json"
#: What safetensors calls the precisions that weights may have; all are read into one.
FLOATS = {"F64", "F32", "F16", "BF16"}
#: The setting in config.json that says which tokenizer a model was written with.
VOCABULARY = "vocabulary_sha256"
#: The head of a reward or value model, its bias and a score to check them by, in a file of their own: they cannot be
#: dropped without a word, and nobody takes such a model for a policy.
HEAD_FILE = "scalar_head.safetensors"
#: What peft calls the settings of an adapter; the library would put one into force without a word.
ADAPTER_FILE = "adapter_config.json"
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
    path = Path(path)
    if (path / HEAD_FILE).is_file():
        raise DataError(f"{path} is a reward or value model and writes no text; name the policy that it was made from.")
    model, tokenizer = load_model(path, dtype=dtype), load_tokenizer(path)
    check_together(model, tokenizer, path)
    return model, tokenizer


def check_together(model: PreTrainedModel, tokenizer: Tokenizer, path: Path) -> None:
    """Refuse a model that nothing here can use, and a tokenizer that is not the model's."""
    check_vocabulary(tokenizer, model.config, path)
    _check_end(tokenizer, model, path)
    check_supported(model, path)


def load_model(path: Path | str, *, dtype: torch.dtype = torch.float32) -> PreTrainedModel:
    """Load the weights of a causal language model, in eval mode; whatever their files hold, all become `dtype`."""
    return read_weights(Path(path), AutoModelForCausalLM, dtype)


def read_weights(path: Path, kind: Any, dtype: torch.dtype) -> PreTrainedModel:
    """Read a model of a kind (one of the library's Auto classes); refuse one that is not whole or not plain numbers."""
    require_safetensors(path)
    _check_plain(path)

    def read() -> Any:
        verbosity = transformers_logging.get_verbosity()
        # What the library would print as a table is said below, in a sentence.
        transformers_logging.set_verbosity_error()
        try:
            return kind.from_pretrained(
                path, dtype=dtype, local_files_only=True, use_safetensors=True, trust_remote_code=False,
                output_loading_info=True,
            )  # fmt: skip
        finally:
            transformers_logging.set_verbosity(verbosity)

    model, found = told(path, read)
    missing, unused = sorted(found["missing_keys"]), sorted(found["unexpected_keys"])
    if missing:
        raise DataError(
            f"The files in {path} lack {missing[0]} ({len(missing)} of the model's tensors in all); copy them again, "
            "or name a directory that its config.json fits."
        )
    if unused:
        logger.warning("%s holds %d tensors that no model of its kind uses, such as %s.", path, len(unused), unused[0])
    broken = [name for name, weight in model.named_parameters() if not bool(torch.isfinite(weight).all())]
    if broken:
        raise DataError(f"{broken[0]} in {path} holds numbers that are not finite; take an earlier version of it.")
    return model.eval()


def load_tokenizer(path: Path | str) -> Tokenizer:
    """Load the tokenizer of a model directory; it must know an end token."""
    tokenizer = read_tokenizer(Path(path))
    check_end_token(tokenizer, Path(path))
    return tokenizer


def read_tokenizer(path: Path) -> Tokenizer:
    """Read the tokenizer of a model directory, whatever it knows."""
    if not path.is_dir():
        raise MissingError(f"There is no model directory {path}; name one, or make it with `tutelage models add`.")

    def read() -> Any:
        return AutoTokenizer.from_pretrained(path, local_files_only=True, trust_remote_code=False)

    tokenizer: Tokenizer = told(path, read)
    if not isinstance(tokenizer, Tokenizer):
        raise DataError(f"The tokenizer in {path} has no tokenizer.json; save it again as a fast tokenizer.")
    return tokenizer


def check_end_token(tokenizer: Tokenizer, path: Path) -> None:
    """Refuse a tokenizer that cannot end a text."""
    if tokenizer.eos_token_id is None:
        raise DataError(f"The tokenizer in {path} has no end token (eos_token); set one in its tokenizer_config.json.")


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
        setattr(model.config, VOCABULARY, vocabulary_hash(tokenizer))
        model.save_pretrained(directory, save_original_format=False)
        tokenizer.save_pretrained(directory)


def context_of(model: Any) -> int:
    """Give the longest sequence in tokens that a model, or the stack of layers in one, was made for."""
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


def check_vocabulary(tokenizer: Tokenizer, config: Any, path: Path) -> None:
    """Refuse a tokenizer that is not the one a model was written with here, or has tokens that it does not know."""
    written, rows = getattr(config, VOCABULARY, None), config.vocab_size
    if written not in (None, vocabulary_hash(tokenizer)):
        raise DataError(
            f"The tokenizer in {path} is not the one that the model there was written with; copy that one back, or, if "
            f"you changed it on purpose, remove {VOCABULARY} from config.json."
        )
    text, highest = max(tokenizer.get_vocab().items(), key=lambda item: item[1])
    if highest >= rows:
        raise DataError(
            f"The tokenizer in {path} has the token {text!r} with the number {highest}, and the model knows {rows} "
            "tokens: it belongs to another model; copy the model's own tokenizer there."
        )


def vocabulary_hash(tokenizer: Tokenizer) -> str:
    """Hash which number stands for which token."""
    return content_hash(tokenizer.get_vocab())


def _check_end(tokenizer: Tokenizer, model: PreTrainedModel, path: Path) -> None:
    """Refuse a tokenizer that ends texts otherwise than the model does: it may be that of another model."""
    known = ends_of(model)
    if known and tokenizer.eos_token_id not in known:
        raise DataError(
            f"The tokenizer in {path} ends a text with {tokenizer.eos_token!r}, number {tokenizer.eos_token_id}, and "
            f"the model's configuration with number {known[0]}: copy the model's own tokenizer there, or, if it is, "
            "set eos_token_id in config.json."
        )


def ends_of(model: PreTrainedModel) -> list[int]:
    """Give the tokens that end a text as a model's own settings say, those that it knows."""
    told = [getattr(settings, "eos_token_id", None) for settings in (model.config, model.generation_config)]
    ends = {end for one in told for end in (one if isinstance(one, list) else [one]) if end is not None}
    return sorted(end for end in ends if end < model.get_input_embeddings().num_embeddings)


def read_config(path: Path) -> Any:
    """Read what a model directory says about its model; the weights need not be there."""
    if not (path / "config.json").is_file():
        raise MissingError(f"{path} holds no config.json, so it is not a model directory; name one that is.")
    check_settings(path / "config.json")
    config = told(path, lambda: AutoConfig.from_pretrained(path, local_files_only=True, trust_remote_code=False))
    return config.get_text_config()


def hash_of(path: Path | str) -> str:
    """Hash the files of a model directory, as a parent of what is made from it."""
    require_safetensors(Path(path))
    return sha256_of(path)


def require_safetensors(path: Path) -> None:
    """Refuse a directory that does not hold a whole model in safetensors."""
    if not path.is_dir():
        raise MissingError(f"There is no model directory {path}; name one, or make it with `tutelage models add`.")
    if (path / ADAPTER_FILE).is_file():
        raise DataError(
            f"{path} holds an adapter ({ADAPTER_FILE}), and only whole models are read here; merge it into its base "
            "first (merge_and_unload in peft)."
        )
    if not (path / "config.json").is_file():
        raise MissingError(f"{path} holds no config.json, so it is not a model directory; name one that is.")
    if (path / WEIGHTS_FILE).is_file():
        return
    if (path / INDEX_FILE).is_file():
        gone = [name for name in _shards(path) if not (path / name).is_file()]
        if gone:
            raise MissingError(
                f"{path} lacks {gone[0]}, one of {len(_shards(path))} files that {INDEX_FILE} names; copy it there."
            )
        return
    shards = sorted(found.name for found in path.glob("*.safetensors") if found.name != HEAD_FILE)
    if shards:
        raise MissingError(f"{path} holds {shards[0]} but neither {WEIGHTS_FILE} nor {INDEX_FILE}; copy that there.")
    pickles = sorted(found.name for pattern in PICKLES for found in path.glob(pattern))
    if pickles:
        raise MissingError(
            f"{path} holds {pickles[0]} but no .safetensors file; convert it first, for pickles can run code."
        )
    raise MissingError(f"{path} holds no .safetensors file; copy the weights into it, or make the model again.")


def _shards(path: Path) -> list[str]:
    """Name the files that an index says the weights are spread over."""
    index = read_json(path / INDEX_FILE)
    if not isinstance(index, dict) or not isinstance(index.get("weight_map"), dict):
        raise DataError(f"{path / INDEX_FILE} names no files (weight_map); copy it again.")
    return sorted(set(map(str, index["weight_map"].values())))


def _check_plain(path: Path) -> None:
    """Refuse quantised weights: read as plain numbers they would be others than those that were meant."""
    if getattr(read_config(path), "quantization_config", None):
        raise DataError(f"{path} is quantised, and only plain weights are read here; name the model it was made from.")
    for name, kind in precisions(path).items():
        # Buffers, such as masks, may be whole numbers; they are computed and not read.
        if name.endswith(".weight") and kind not in FLOATS:
            raise DataError(
                f"{name} in {path} is of the kind {kind}; give weights in fp32, fp16 or bf16, mixed or not."
            )


def precisions(path: Path) -> dict[str, str]:
    """Name the tensors in a model's files, each with its precision; the tensors themselves are not read."""
    files = [WEIGHTS_FILE] if (path / WEIGHTS_FILE).is_file() else _shards(path)

    def read() -> dict[str, str]:
        found: dict[str, str] = {}
        for name in files:
            with safe_open(path / name, framework="pt") as opened:
                found |= {key: opened.get_slice(key).get_dtype() for key in opened.keys()}
        return found

    return dict(told(path, read))


def told(path: Path, read: Callable[[], Any]) -> Any:
    """Turn what the library raises about a broken directory into one sentence."""
    try:
        return read()
    except (OSError, ValueError, SafetensorError, RuntimeError, KeyError, ImportError) as error:
        reason = " ".join(str(error).split())[:200]
        raise DataError(f"The model in {path} cannot be loaded ({reason}); copy it again, or make it again.") from error
