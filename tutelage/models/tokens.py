"""Text to tokens and back: one way to render a prompt, one way to render a completion."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from transformers import PreTrainedTokenizerFast as Tokenizer

from tutelage.errors import DataError, SettingsError
from tutelage.files import content_hash
from tutelage.models.load import load_tokenizer

Template = Literal["plain", "chat"]
#: Stands for the prompt while a chat template is rendered: a character that text has no use for.
PLACE = "\ue000"


class Renderer:
    """Render prompts and completions as token ids; the two are always encoded apart, so their border is stable.

    `plain` writes a prompt as its text and a line feed, behind the tokens that the tokenizer itself puts before a text
    (`start_ids`: a start token, or nothing). `chat` uses the tokenizer's own chat template with the prompt as one user
    turn. Text that spells a special token is encoded as ordinary characters.
    """

    def __init__(self, tokenizer: Tokenizer, template: Template = "plain") -> None:
        self.tokenizer, self.template = tokenizer, template
        self._backend = tokenizer.backend_tokenizer
        self.end_id: int = tokenizer.eos_token_id
        self.start_ids = self._start()
        self._before, self._after = self.start_ids, list[int]()
        self._after_text = "\n"
        if template == "chat":
            self._before, self._after = self._chat_frame()
            self._after_text = ""

    def prompt_ids(self, text: str) -> list[int]:
        """Encode a prompt, up to where the completion begins."""
        return self.prompts_ids([text])[0]

    def prompts_ids(self, texts: Sequence[str], longest: int = 0) -> list[list[int]]:
        """Encode many prompts at once; of those with more than `longest` tokens, where that is above 0, the last ones.

        What the template writes around a prompt is always whole and does not count.
        """
        bodies = self.texts_ids([text + self._after_text for text in texts])
        return [self._before + body[-longest:] + self._after for body in bodies]

    def completion_ids(self, text: str, end: bool = True) -> list[int]:
        """Encode a completion, by default with its end token."""
        return self.completions_ids([text], end)[0]

    def completions_ids(self, texts: Sequence[str], end: bool = True) -> list[list[int]]:
        """Encode many completions at once."""
        tail = [self.end_id] if end else []
        return [ids + tail for ids in self.texts_ids(texts)]

    def documents_ids(self, texts: Sequence[str]) -> list[list[int]]:
        """Encode whole texts as the tokenizer begins them; who joins them puts the end tokens between."""
        return [self.start_ids + ids for ids in self.texts_ids(texts)]

    def decode(self, ids: Sequence[int]) -> str:
        """Give the text of completion ids, without special tokens."""
        return self._backend.decode(list(ids), skip_special_tokens=True)

    def texts_ids(self, texts: Sequence[str]) -> list[list[int]]:
        """Encode plain texts as they are, special tokens spelled in them included as ordinary characters."""
        # Set every time: other users of the tokenizer change it. The fast call tracks no offsets, which nobody needs.
        self._backend.encode_special_tokens = True
        return [encoding.ids for encoding in self._backend.encode_batch_fast(list(texts), add_special_tokens=False)]

    def _start(self) -> list[int]:
        """Find what the tokenizer puts before a text; what some put behind it is never wanted here."""
        self._backend.encode_special_tokens = False
        bare, whole = (self._backend.encode("a", add_special_tokens=special).ids for special in (False, True))
        found = [at for at in range(len(whole)) if whole[at : at + len(bare)] == bare]
        return list(whole[: found[0]]) if found else []

    def _chat_frame(self) -> tuple[list[int], list[int]]:
        if not self.tokenizer.chat_template:
            raise SettingsError('The tokenizer has no chat template; use template = "plain", or a chat model.')
        turns = [{"role": "user", "content": PLACE}]
        try:
            text = str(self.tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True))
        except Exception as error:  # a template is a program of the model's author and may raise anything
            raise DataError(
                f'The chat template of the tokenizer fails ({error}); mend it, or use template = "plain".'
            ) from error
        before, place, after = text.partition(PLACE)
        if not place or PLACE in after:
            told = "twice" if place else "nowhere"
            raise DataError(f'The chat template writes the text of the user {told}; use template = "plain".')
        return self._frame(before), self._frame(after)

    def _frame(self, text: str) -> list[int]:
        """Encode the template's own text, where special tokens are meant as such."""
        self._backend.encode_special_tokens = False
        return list(self._backend.encode(text, add_special_tokens=False).ids)


def template_parent(path: Path, template: Template) -> dict[str, str]:
    """Give the chat template of a model directory as a parent of a run, by its hash; nothing where it is not used."""
    if template == "plain":
        return {}
    return {"template": content_hash(load_tokenizer(path).chat_template)}
