"""What of a growing text may leave: what was scored, and is older than the hold-back.

A text is scored at places that the text itself decides: the end of a sentence, or a number of new characters. So what
leaves does not depend on the pieces in which the text came, and a streamed answer equals a plain one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from tutelage.safety.policy import Hit, Policy, Role, StreamingSettings, Verdict
from tutelage.safety.rules import Rules

#: Characters after which a sentence's end is a place to score.
SHORTEST = 24
SENTENCE_ENDS = frozenset(".!?\n。！？")


class Window(NamedTuple):
    """What is scored at one place: the text before it, as far as it is read, and what rules found up to there.

    When it passes, the text may leave up to `room`.
    """

    text: str
    hits: tuple[Hit, ...]
    room: int


class Hold:
    """One choice's text while it is written. `before` is what stands before it, which rules look at and cannot cut."""

    def __init__(self, rules: Rules, policy: Policy, before: str = "", *, is_blocking: bool = True) -> None:
        self._rules, self._policy, self._is_blocking = rules, policy, is_blocking
        self._settings: StreamingSettings = policy.settings.streaming
        self._before = before[-self._settings.context :]
        self._text = self._before
        self._scored = self._sure = len(self._before)
        self._open: list[Window] = []
        self._verdicts: list[Verdict] = []
        self._released = 0
        self.is_cut = self.is_over = False

    @property
    def released(self) -> int:
        """Return how many characters of the text may leave."""
        return self._released

    @property
    def verdict(self) -> Verdict:
        """Return what is known of the text so far."""
        return self._policy.worst(self._verdicts)

    def add(self, text: str, *, is_last: bool = False) -> None:
        """Take in what was written."""
        self._text += text
        self._open += self._windows(is_last)
        self.is_over = self.is_over or is_last

    def due(self) -> list[Window]:
        """Return what is to be scored, in order."""
        return list(self._open)

    def settle(self, verdicts: Sequence[Verdict]) -> None:
        """Take the verdicts on what was due; at the first that blocks, the text ends where it was sure before."""
        windows, self._open = self._open[: len(verdicts)], self._open[len(verdicts) :]
        for window, verdict in zip(windows, verdicts, strict=True):
            self._verdicts.append(verdict)
            if self._is_blocking and verdict.severity >= self._policy.settings.block:
                self.is_cut, self._open = True, []
                return
            self._released = max(self._released, window.room - len(self._before))

    def _windows(self, is_last: bool) -> Iterator[Window]:
        """Yield the windows of all places that the text has reached."""
        text, settings = self._text, self._settings
        for place in places(text, self._scored, settings.step):
            room = max(self._sure, min(place - settings.hold, self._rules.room(text[:place], place)))
            yield self._window(text[:place], room, is_final=False)
            self._scored, self._sure = place, room
        if is_last:
            yield self._window(text, len(text), is_final=True)

    def _window(self, text: str, room: int, *, is_final: bool) -> Window:
        found = self._rules.find(text, "completion", self._sure, is_final=is_final)
        hits = tuple(hit for hit in found if hit.end > len(self._before))
        return Window(text[max(len(self._before), len(text) - self._settings.context) :], hits, room)


def places(text: str, start: int, step: int) -> Iterator[int]:
    """Yield the places after `start` where a text is scored; each depends on the text before it alone."""
    for index in range(start, len(text)):
        length = index + 1 - start
        if length >= step or (length >= SHORTEST and text[index] in SENTENCE_ENDS):
            start = index + 1
            yield start


def pieces(rules: Rules, text: str, role: Role, context: int) -> list[Window]:
    """Return the windows of a whole text, each of which begins in the middle of the one before."""
    hits = tuple(rules.find(text, role))
    last = max(0, len(text) - context)
    starts = [*range(0, last, max(1, context // 2)), last]
    return [Window(text[start : start + context], hits if start == last else (), len(text)) for start in starts]
