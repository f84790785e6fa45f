"""All choices of a call as they grow, each with its own hold-back: nothing leaves that the filter has not passed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from tutelage.generate.wire import Accepted, News, Token
from tutelage.safety.content import ContentFilter
from tutelage.safety.holdback import Hold
from tutelage.safety.policy import Verdict
from tutelage.serve.stream.pieces import Growing, Piece

#: What a choice ends with where the filter cut it.
CUT = "content_filter"


class New(NamedTuple):
    """A piece of a choice; `choice` counts through the choices of all prompts.

    `written` is the text that the model wrote, without an echo before it, and `tokens` how many it took.
    """

    choice: int
    piece: Piece
    is_first: bool
    written: str
    tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Screened:
    """What filters a call: the filter, and whether it cuts what it finds or notes it; the verdicts on the prompts."""

    content: ContentFilter
    is_blocking: bool
    prompts: list[Verdict] = field(default_factory=list)

    def hold(self, before: str) -> Hold:
        """Return the hold-back of one choice."""
        return self.content.hold(before, is_blocking=self.is_blocking)


@dataclass(slots=True)
class Choice:
    """A choice: its text and tokens, and what may leave of them; `hold` is None where nothing is filtered."""

    number: int
    growing: Growing
    hold: Hold | None
    opening: Piece
    is_new: bool = True
    is_over: bool = False
    tokens: int = 0


class Choices:
    """The choices of all prompts of a call, `n` for each."""

    def __init__(self, accepted: Mapping[int, Accepted], n: int, *, is_echo: bool) -> None:
        self._accepted, self._n, self._is_echo = accepted, n, is_echo
        #: What filters them, None where nothing is filtered; it is known when the prompts are.
        self.screened: Screened | None = None
        self._choices: dict[int, Choice] = {}
        self._scores: dict[int, tuple[Token, ...]] = {}

    def add(self, number: int, news: News) -> None:
        """Take in news of a prompt's choice; what comes after a cut is nobody's any more."""
        if news.prompt is not None:
            self._scores[number] = news.prompt
        index = number * self._n + news.choice
        if index not in self._choices:
            self._choices[index] = self._opened(number, index)
        choice = self._choices[index]
        if choice.is_over:
            return
        choice.growing.add(news)
        choice.tokens += news.is_token
        if choice.hold is not None:
            choice.hold.add(news.text, is_last=news.finish_reason is not None)

    async def settled(self) -> list[New]:
        """Have everything scored that is due, all choices at once, and return what may leave."""
        open_choices = [choice for choice in self._choices.values() if not choice.is_over]
        if self.screened is not None:
            due = [(choice.hold, choice.hold.due()) for choice in open_choices if choice.hold is not None]
            verdicts = iter(await self.screened.content.judge([window for _, windows in due for window in windows]))
            for hold, windows in due:
                hold.settle([next(verdicts) for _ in windows])
        return [new for choice in open_choices if (new := self._given(choice)) is not None]

    @property
    def is_scoring(self) -> bool:
        """Say whether anything waits for its verdict."""
        return any(choice.hold is not None and choice.hold.due() for choice in self._choices.values())

    @property
    def verdict(self) -> Verdict | None:
        """Return what the filter said of all that was written so far, None where nothing is filtered."""
        if self.screened is None:
            return None
        holds = [choice.hold for choice in self._choices.values() if choice.hold is not None]
        return self.screened.content.policy.worst([hold.verdict for hold in holds])

    @property
    def is_cut(self) -> bool:
        """Say whether the filter cut any of them."""
        return any(choice.hold is not None and choice.hold.is_cut for choice in self._choices.values())

    def is_over(self, number: int) -> bool:
        """Say whether all choices of a prompt have ended, by themselves or cut."""
        mine = (self._choices.get(number * self._n + choice) for choice in range(self._n))
        return all(choice is not None and choice.is_over for choice in mine)

    def _opened(self, number: int, index: int) -> Choice:
        growing, opening = Growing(), Piece()
        text = self._accepted[number].prompt_text
        if self._is_echo:
            opening = growing.prompt(text, self._scores.get(number))
        hold = None if self.screened is None else self.screened.hold(text)
        return Choice(index, growing, hold, opening)

    def _given(self, choice: Choice) -> New | None:
        """Return what may leave of a choice, None where that is nothing."""
        hold, reason = choice.hold, choice.growing.finish_reason
        if hold is None:
            piece = choice.growing.give(None, reason)
        else:
            reason = CUT if hold.is_cut else reason if hold.is_over else None
            piece = choice.growing.give(hold.released, reason)
        choice.is_over = piece.finish_reason is not None
        if choice.is_over and hold is not None and self.screened is not None and not self.screened.is_blocking:
            asked = self.screened.prompts[choice.number // self._n]
            piece.note = {"prompt": note(asked), "completion": note(hold.verdict)}
        is_first, choice.is_new = choice.is_new, False
        if not (is_first or piece.text or piece.tokens or piece.finish_reason):
            return None
        tokens, choice.tokens = choice.tokens, 0
        written = piece.text
        if is_first:
            choice.opening.add(piece)
            piece = choice.opening
        return New(choice.number, piece, is_first, written, tokens)


def note(verdict: Verdict) -> dict[str, Any]:
    """Return a verdict as answers show it."""
    scores = {name: round(score, 4) for name, score in verdict.scores.items()}
    return {"severity": verdict.severity, "scores": scores, "rule": verdict.rule, "policy": verdict.policy_version}
