"""Tokenizers as their models mean them: many name no end token, or one that the model does not end its turns with."""

from __future__ import annotations

from transformers import PreTrainedModel
from transformers import PreTrainedTokenizerFast as Tokenizer

from tutelage.models.load import ends_of
from tutelage.models.tokens import PLACE


def mend_end(tokenizer: Tokenizer, model: PreTrainedModel) -> str | None:
    """Let a tokenizer end texts as its model does; give the token, or None where nothing was changed.

    Without an end token it gets the first that the model's settings name. Chat models may name several, one for texts
    and one for turns: then it is the one that the chat template puts behind an answer, for answers are what is sampled.
    """
    known = {number: text for text, number in tokenizer.get_vocab().items()}
    ends = [number for number in ends_of(model) if number in known]
    turn = _end_of_turn(tokenizer)
    wanted = turn if turn in ends else tokenizer.eos_token_id
    if wanted is None and ends:
        wanted = ends[0]
    if wanted is None or wanted == tokenizer.eos_token_id:
        return None
    tokenizer.eos_token = known[wanted]
    return known[wanted]


def _end_of_turn(tokenizer: Tokenizer) -> int | None:
    """Find the special token that the chat template puts behind an answer, if there is one."""
    if not tokenizer.chat_template:
        return None
    turns = [{"role": "user", "content": "a"}, {"role": "assistant", "content": PLACE}]
    try:
        text = str(tokenizer.apply_chat_template(turns, tokenize=False))
    except Exception:  # a program of the model's author, which may raise anything; who renders with it is told
        return None
    backend = tokenizer.backend_tokenizer
    backend.encode_special_tokens = False
    ids = backend.encode(text.partition(PLACE)[2], add_special_tokens=False).ids
    added = tokenizer.added_tokens_decoder
    return ids[0] if ids and ids[0] in added and added[ids[0]].special else None
