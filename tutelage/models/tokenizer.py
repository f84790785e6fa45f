"""Train a byte-level BPE tokenizer: any string round-trips, nothing is unknown."""

from __future__ import annotations

from collections.abc import Iterable

from tokenizers import Tokenizer as Backend
from tokenizers import decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast as Tokenizer

from tutelage.errors import SettingsError

#: The padding token is never the end token, so that no mask can mistake one for the other.
PAD, END = "<|pad|>", "<|end|>"
BYTES = 256


def train_tokenizer(texts: Iterable[str], vocab_size: int) -> Tokenizer:
    """Train byte-level BPE on texts; `vocab_size` counts the 256 bytes and the two special tokens."""
    if vocab_size < BYTES + 2:
        raise SettingsError(
            f"A vocabulary of {vocab_size} cannot hold the 256 bytes and 2 special tokens; take 258 or more."
        )
    backend = Backend(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[PAD, END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    backend.train_from_iterator(texts, trainer)
    return Tokenizer(tokenizer_object=backend, pad_token=PAD, eos_token=END, clean_up_tokenization_spaces=False)
