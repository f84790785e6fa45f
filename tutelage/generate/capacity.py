"""What a model can hold: its context and the size of one token's keys and values."""

from __future__ import annotations

import inspect

from transformers import PreTrainedModel

from tutelage.errors import UserError


def context_of(model: PreTrainedModel) -> int:
    """Return how many tokens the model can attend to; refuse models that the engine cannot run."""
    parameters = inspect.signature(model.forward).parameters
    config = model.config.get_text_config()
    kinds = set(getattr(config, "layer_types", None) or ["full_attention"])
    missing = {"position_ids", "past_key_values", "logits_to_keep"} - set(parameters)
    if missing or not kinds <= {"full_attention", "sliding_attention"}:
        raise UserError(
            f"{type(model).__name__} cannot be run by this engine: it needs explicit positions and a cache of keys and"
            " values in every layer; use a Llama-, GPT-2-, GPT-NeoX- or Qwen-like model."
        )
    length = int(getattr(config, "max_position_embeddings", None) or 2048)
    window = int(getattr(config, "sliding_window", None) or 0)
    # Inside its window a sliding layer is plain causal attention; the engine stays inside.
    is_windowed = "sliding_attention" in kinds or (window > 0 and not hasattr(config, "layer_types"))
    return min(length, window) if window and is_windowed else length


def bytes_per_token(model: PreTrainedModel) -> int:
    """Return the size of one token's keys and values in all layers."""
    config = model.config.get_text_config()
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    return int(2 * config.num_hidden_layers * heads * size * model.dtype.itemsize)
