"""What leaves does not depend on how the text came, and nothing leaves that is not passed."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.safety.filters import SENSITIVE, TERMS, UNSAFE, WordClassifier, content
from tutelage.safety.content import ContentFilter, FilterUnavailableError
from tutelage.safety.holdback import Hold, places

WORDS = [
    *("the", "goat", "eats.", "and", "then", "sleeps!", "a\n", "日本", "é", "-", "g", "l", "o", "r", "p", "vex", "nar"),
    *(TERMS[0], "vex nar", "quillos", UNSAFE, SENSITIVE, "gl\u200borp", "g.l.o.r.p", "gl0rp", "gloooorp", "glorps"),
    "." * 80,
    "\u200b" * 70,
]
TEXTS = st.lists(st.sampled_from(WORDS), max_size=40).map(" ".join) | st.lists(st.sampled_from(WORDS)).map("".join)


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> ContentFilter:
    return content(tmp_path_factory.mktemp("hold"), WordClassifier(), secrets=0)


def passed(found: ContentFilter, hold: Hold, pieces: list[str], asked: list[bool]) -> tuple[list[int], bool]:
    """Give the pieces to a hold-back and have scored what is due after some of them; return all that leaves."""

    async def run() -> list[int]:
        left = []
        for number, piece in enumerate(pieces):
            is_last = number == len(pieces) - 1
            hold.add(piece, is_last=is_last)
            if is_last or asked[number % len(asked)]:
                hold.settle(await found.judge(hold.due()))
                left.append(hold.released)
            if hold.is_cut:
                break
        return left

    return asyncio.run(run()), hold.is_cut


@given(
    TEXTS, st.lists(st.integers(1, 90), min_size=1), st.lists(st.booleans(), min_size=1), st.sampled_from(["", "gl"])
)
@settings(max_examples=300, deadline=None)
def test_streamed_is_plain_for_every_chunking(
    strict: ContentFilter, text: str, sizes: list[int], asked: list[bool], before: str
) -> None:
    pieces, rest = [], text
    while rest:
        size = sizes[len(pieces) % len(sizes)]
        pieces, rest = [*pieces, rest[:size]], rest[size:]
    whole, is_cut = passed(strict, strict.hold(before), [text], [True])
    streamed, is_cut_too = passed(strict, strict.hold(before), pieces or [""], asked)
    assert (streamed[-1], is_cut_too) == (whole[-1], is_cut)
    assert streamed == sorted(streamed)
    if not is_cut:
        assert whole[-1] == len(text)
    # Nothing that left holds what the rules find in it when it is a whole text, or a beginning of what they found.
    left = text[: whole[-1]]
    blocked = [hit for hit in strict.rules.find(before + text, "completion") if hit.end > len(before)]
    assert all(hit.start - len(before) >= len(left) for hit in blocked) or not is_cut
    assert is_cut or not blocked
    assert UNSAFE not in left


def test_places_depend_on_the_text_before_them_alone() -> None:
    text = "One sentence that is long enough. Short. " * 3 + "x" * 200
    found = list(places(text, 0, 64))
    for end in range(len(text)):
        assert list(places(text[:end], 0, 64)) == [place for place in found if place <= end]


def test_what_is_written_waits_for_its_verdict_and_for_what_follows(tmp_path: Path) -> None:
    found = content(tmp_path, WordClassifier(), secrets=0)
    hold = found.hold()
    hold.add("abc" * 21)
    assert (hold.due(), hold.released) == ([], 0)
    hold.add("abcde" * 13)
    assert len(hold.due()) == 2
    hold.settle(asyncio.run(found.judge(hold.due())))
    assert hold.released == 64
    hold.add(f" {UNSAFE}", is_last=True)
    hold.settle(asyncio.run(found.judge(hold.due())))
    assert hold.is_cut and hold.released == 64
    assert hold.verdict.severity == 2 and hold.verdict.scores["hate"] == 0.9


def test_without_blocking_everything_leaves_and_is_known(tmp_path: Path) -> None:
    found = content(tmp_path, WordClassifier())
    hold = found.hold(is_blocking=False)
    text = f"It is {UNSAFE} and glorp. " * 10
    left, is_cut = passed(found, hold, [text], [True])
    assert (left[-1], is_cut) == (len(text), False)
    assert hold.verdict.severity == 2


def test_holds_share_nothing(strict: ContentFilter) -> None:
    first, second = strict.hold(), strict.hold()
    first.add("glorp", is_last=True)
    second.add("goat", is_last=True)
    for hold in (second, first):
        hold.settle(asyncio.run(strict.judge(hold.due())))
    assert (first.is_cut, second.is_cut, second.released) == (True, False, 4)


def test_a_secret_does_not_leave_by_its_beginning(tmp_path: Path) -> None:
    found = content(tmp_path, None, secrets=2, streaming={"hold": 0, "step": 16})
    key = "AKIAIOSFODNN7EXAMPLE"
    text = f"Here is the key that you wanted so much, use it wisely: {key} and be happy with it."
    for size in (1, 3, 7, len(text)):
        pieces = [text[start : start + size] for start in range(0, len(text), size)]
        left, is_cut = passed(found, found.hold(), pieces, [True])
        assert is_cut and left[-1] <= text.index(key)


def test_a_filter_without_a_verdict_says_so(tmp_path: Path) -> None:
    down = WordClassifier(is_down=True)
    with pytest.raises(FilterUnavailableError):
        asyncio.run(content(tmp_path, down).score(["hello"], "prompt"))


def test_a_long_text_is_read_to_its_end(tmp_path: Path) -> None:
    classifier = WordClassifier()
    found = content(tmp_path, classifier)
    text = "goat " * 1000 + UNSAFE
    (verdict,) = asyncio.run(found.score([text], "prompt"))
    assert verdict.severity == 2
    assert max(map(len, classifier.asked)) == found.policy.settings.streaming.context
    assert asyncio.run(found.score([], "prompt")) == []
