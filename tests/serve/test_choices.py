"""Choices behind the filter: what leaves does not depend on how news come."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.safety.filters import UNSAFE, WordClassifier, policy
from tutelage.generate.wire import Accepted, News, Token
from tutelage.safety.content import ContentFilter
from tutelage.serve.stream.choices import Choices, Screened
from tutelage.serve.stream.pieces import Piece

TOKENS = st.lists(
    st.sampled_from(["goat ", "the ", UNSAFE, "gl", "or", "p", " ", ". ", "é", "vex ", "nar"]), max_size=60
)


@given(TOKENS, st.lists(st.integers(1, 9), min_size=1), st.integers(1, 3))
@settings(max_examples=60, deadline=None)
def test_pieces_do_not_depend_on_how_news_come(folder: Path, tokens: list[str], sizes: list[int], choices: int) -> None:
    """The same tokens one by one, or many at once, give the same text, log-probabilities and end."""
    content = ContentFilter(policy(folder, secrets=0), WordClassifier())
    news = [
        News(choice=choice, text=text, is_token=True, token=Token(spelling=text.encode(), logprob=-1.0))
        for text in tokens
        for choice in range(choices)
    ] + [News(choice=choice, finish_reason="stop") for choice in range(choices)]

    async def run(batches: list[list[News]]) -> list[Piece]:
        accepted = {0: Accepted(prompt_tokens=1, prompt_text="a prompt")}
        grown = Choices(accepted, choices, is_echo=False)
        grown.screened = Screened(content=content, is_blocking=True, prompts=[])
        found = [Piece() for _ in range(choices)]
        for batch in batches:
            for one in batch:
                grown.add(0, one)
            for new in await grown.settled():
                found[new.choice].add(new.piece)
        assert grown.is_over(0)
        return found

    batches, rest = [], news
    while rest:
        size = sizes[len(batches) % len(sizes)]
        batches, rest = [*batches, rest[:size]], rest[size:]
    streamed, plain = asyncio.run(run(batches)), asyncio.run(run([news]))
    assert streamed == plain
    for piece in plain:
        assert piece.text.startswith("".join(placed.token.spelling.decode() for placed in piece.tokens))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("bypass")
