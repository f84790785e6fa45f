"""Pieces of a choice add up, and tokens come with their text only."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tutelage.generate.text import TextStream
from tutelage.generate.wire import News, Token
from tutelage.serve.stream.pieces import Growing, Piece


class Bytes:
    """Decodes ids as bytes."""

    def decode(self, ids: list[int]) -> str:
        return bytes(ids).decode("utf-8", "replace")


def grown(text: bytes, stop: tuple[str, ...]) -> list[Piece]:
    """Feed bytes as tokens, as the engine does."""
    stream, growing, pieces = TextStream(Bytes(), stop), Growing(), []
    for position, byte in enumerate(text):
        settled = stream.push(byte)
        is_last = position == len(text) - 1 or stream.stopped
        settled += stream.finish() if is_last else ""
        token = Token(spelling=bytes([byte]), logprob=-1.0)
        news = News(choice=0, text=settled, is_token=True, token=token, finish_reason="stop" if is_last else None)
        pieces.append(given_out(growing, news))
        if is_last:
            break
    return pieces


def given_out(growing: Growing, news: News) -> Piece:
    """Take in news and give out all there is."""
    growing.add(news)
    return growing.give(finish_reason=news.finish_reason)


@given(st.text(min_size=1, max_size=20), st.lists(st.text(min_size=1, max_size=3), max_size=2))
def test_tokens_spell_exactly_the_text_that_was_given_out(text: str, stop: list[str]) -> None:
    pieces = grown(text.encode("utf-8", "replace"), tuple(stop))
    whole = Piece()
    for piece in pieces:
        whole.add(piece)
        spelled = b"".join(placed.token.spelling for placed in whole.tokens)
        assert spelled.decode() == whole.text
    assert whole.finish_reason == "stop"
    for placed in whole.tokens:
        if placed.token.spelling.isascii():
            assert whole.text[placed.offset] == placed.token.spelling.decode()


def test_a_special_token_has_no_text_and_bytes_that_are_no_character_keep_their_place() -> None:
    growing = Growing()
    end = Token(spelling=b"<|end|>", logprob=-1.0, is_special=True)
    half = Token(spelling=b"\xe3", logprob=-1.0)
    letter = Token(spelling=b"a", logprob=-1.0)
    assert given_out(growing, News(choice=0, text="", token=half)).tokens == []
    piece = given_out(growing, News(choice=0, text="\N{REPLACEMENT CHARACTER}a", token=letter))
    assert [placed.offset for placed in piece.tokens] == [0, 1]
    assert given_out(growing, News(choice=0, text="", token=end, finish_reason="stop")).tokens == []


def test_a_token_leaves_when_all_of_its_text_has_left() -> None:
    growing = Growing()
    growing.add(News(choice=0, text="ab", token=Token(spelling=b"ab", logprob=-1.0)))
    growing.add(News(choice=0, text="cd", token=Token(spelling=b"cd", logprob=-1.0)))
    first = growing.give(3)
    assert (first.text, [placed.token.spelling for placed in first.tokens]) == ("abc", [b"ab"])
    assert [placed.token.spelling for placed in growing.give().tokens] == [b"cd"]


def test_an_echo_comes_first_and_moves_the_offsets() -> None:
    growing = Growing()
    echoed = growing.prompt("né", [Token(spelling=b"n", logprob=None), Token(spelling="é".encode(), logprob=-1)])
    assert echoed.text == "né" and [placed.offset for placed in echoed.tokens] == [0, 1]
    assert given_out(growing, News(choice=0, text="x", token=Token(spelling=b"x", logprob=-1.0))).tokens[0].offset == 2
