"""One question of a task."""

from __future__ import annotations

from dataclasses import dataclass

from tutelage.errors import DataError


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A prompt to be continued, the right continuation, and the choices if there are any, the right one among them.

    The text of a choice is exactly `prompt + choice`. White space at the border belongs to the choice, because
    tokenizers join a space to the word that follows. Without a prompt, the choices are whole texts.
    """

    task: str
    item: str
    prompt: str
    answer: str
    choices: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.answer.strip() or not (self.prompt.strip() or self.choices):
            raise DataError(f"The item {self.item} of {self.task} needs a prompt and an answer that are not empty.")
        if self.choices and (self.answer not in self.choices or len(set(self.choices)) < max(2, len(self.choices))):
            raise DataError(
                f"The item {self.item} of {self.task} needs two or more different choices, the answer among them."
            )

    @property
    def border(self) -> str:
        """Give the white space that ends the prompt and is moved to the choices."""
        return self.prompt[len(self.prompt.rstrip()) :]
