"""Prompts as a model was trained to read them: plain text, one instruction, or a conversation."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from transformers import PreTrainedTokenizerFast as Tokenizer

from tutelage.errors import DataError
from tutelage.generate.request import RequestError
from tutelage.models.tokens import Renderer, Template

#: Enclose a number that stands for a message's text while a chat template is rendered.
OPENING, CLOSING = "\ue000", "\ue001"


class Message(NamedTuple):
    """One turn of a conversation."""

    role: str
    content: str


def template_of(directory: Path, tokenizer: Tokenizer) -> Template:
    """Return the rendering recorded in the model's card, else the tokenizer's own: chat when it has a template."""
    card = directory / "card.json"
    recorded = json.loads(card.read_text(encoding="utf-8")).get("template") if card.is_file() else None
    if recorded in ("plain", "chat"):
        return "plain" if recorded == "plain" else "chat"
    if recorded is not None:
        raise DataError(f'{card} records the template {recorded!r}; write "plain" or "chat".')
    return "chat" if tokenizer.chat_template else "plain"


class Prompter:
    """Turn what a caller sends into token ids. Text that spells a special token stays ordinary characters."""

    def __init__(self, tokenizer: Tokenizer, template: Template) -> None:
        self.renderer = Renderer(tokenizer, template)
        self.tokenizer = tokenizer

    def text_ids(self, text: str) -> list[int]:
        """Encode a text to be continued as it is; an empty one is the beginning of a document."""
        return self.renderer.documents_ids([text])[0] or [self.renderer.end_id]

    def conversation_ids(self, messages: Sequence[Message]) -> list[int]:
        """Encode a conversation up to where the answer begins.

        The plain rendering knows no roles: the texts follow each other, a line feed after each, so that one message is
        exactly the prompt that the model was trained on.
        """
        if self.renderer.template == "plain":
            return self.renderer.prompt_ids("\n".join(message.content for message in messages))
        turns = [
            {"role": message.role, "content": f"{OPENING}{number}{CLOSING}"} for number, message in enumerate(messages)
        ]
        try:
            text = self.tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
        except Exception as error:  # a template is a program of the model's author and may raise anything
            raise RequestError(f"The model's chat template refuses these messages: {error}") from error
        return self._fill(str(text), [message.content for message in messages])

    def _fill(self, text: str, contents: list[str]) -> list[int]:
        ids: list[int] = []
        frame, *rest = text.split(OPENING)
        ids += self._frame_ids(frame)
        for part in rest:
            number, _, frame = part.partition(CLOSING)
            ids += self.renderer.texts_ids([contents[int(number)]])[0] + self._frame_ids(frame)
        return ids

    def _frame_ids(self, text: str) -> list[int]:
        """Encode the template's own text, where special tokens are meant as such."""
        backend = self.tokenizer.backend_tokenizer
        backend.encode_special_tokens = False
        return list(backend.encode(text, add_special_tokens=False).ids)
