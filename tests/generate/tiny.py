"""A tiny random model with a byte-level tokenizer, in memory or as a model directory."""

from __future__ import annotations

from pathlib import Path

from transformers import PreTrainedModel
from transformers import PreTrainedTokenizerFast as Tokenizer

from tutelage.models.load import Shape, fresh, save
from tutelage.models.tokenizer import train_tokenizer

TEXTS = ["the goat eats the hat", "wie schön ist das 日本語", "one two three four", "🙂 the end"]
CHAT = "{% for m in messages %}<{{ m['role'] }}>{{ m['content'] }}</{{ m['role'] }}>{% endfor %}<assistant>"


def make(seed: int = 0, scale: float = 4.0, context: int = 96, hidden: int = 32) -> tuple[PreTrainedModel, Tokenizer]:
    """Make a model whose answers are decided and varied."""
    tokenizer = train_tokenizer(TEXTS, 300)
    model = fresh(Shape(hidden=hidden, layers=2, heads=4, feedforward=48, context=context), tokenizer, seed)
    for parameter in model.parameters():
        parameter.data.mul_(scale)
    return model, tokenizer


def make_directory(directory: Path, seed: int = 0, *, chat: bool = False) -> Path:
    """Save such a model."""
    model, tokenizer = make(seed)
    if chat:
        tokenizer.chat_template = CHAT
    return save(model, tokenizer, directory)
