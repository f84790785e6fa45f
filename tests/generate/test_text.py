"""Text pieces joined are the whole text, whatever the tokens, and stop strings never show."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from tutelage.generate.text import TextStream


class Bytes:
    """A byte-level tokenizer's decoder: token i is one of a few byte strings, cut inside characters too."""

    pieces = [bytes([i]) for i in range(256)] + ["é".encode()[:1], b"lo", b"hel", "日本".encode()[:4], b" \n", b""]

    def decode(self, ids: Sequence[int]) -> str:
        return b"".join(self.pieces[i] for i in ids).decode("utf-8", errors="replace")


class Words:
    """A decoder that strips the space before the first word, as word-piece tokenizers do."""

    def decode(self, ids: Sequence[int]) -> str:
        return "".join(f" w{i}" for i in ids)[1:]


def tokens_of(text: str) -> list[int]:
    return list(text.encode())


def streamed(decoder: Bytes | Words, ids: Sequence[int], stop: tuple[str, ...] = ()) -> tuple[list[str], bool]:
    stream = TextStream(decoder, stop)
    pieces = []
    for token in ids:
        pieces.append(stream.push(token))
        if stream.stopped:
            return pieces, True
    return [*pieces, stream.finish()], stream.stopped


#: Bytes of readable text, cut or not, among arbitrary ones.
tokens = st.lists(
    st.one_of(st.integers(0, len(Bytes.pieces) - 1), st.sampled_from(tokens_of("héllo 日本語 🙂"))), max_size=40
)


@given(tokens)
def test_pieces_joined_are_the_whole_text(ids: list[int]) -> None:
    assert "".join(streamed(Bytes(), ids)[0]) == Bytes().decode(ids)


@given(st.text(max_size=30))
def test_no_piece_holds_half_a_character(text: str) -> None:
    pieces, _ = streamed(Bytes(), list(text.encode("utf-8", "replace")))
    expected = text.encode("utf-8", "replace").decode()
    assert "".join(pieces) == expected
    if "\N{REPLACEMENT CHARACTER}" not in expected:
        assert all("\N{REPLACEMENT CHARACTER}" not in piece for piece in pieces)


@given(st.lists(st.integers(0, 9), max_size=12))
def test_words_keep_their_spaces(ids: list[int]) -> None:
    assert "".join(streamed(Words(), ids)[0]) == Words().decode(ids)


@given(st.text(alphabet="abé ", max_size=25), st.lists(st.text(alphabet="abé ", min_size=1, max_size=4), max_size=3))
def test_the_text_ends_before_the_first_stop_string(text: str, stops: list[str]) -> None:
    pieces, is_stopped = streamed(Bytes(), tokens_of(text), tuple(stops))
    # Independent statement: the stop string that is complete first in time; of several, the earliest beginning.
    ends = [text.find(stop) + len(stop) for stop in stops if stop in text]
    if not ends:
        assert (is_stopped, "".join(pieces)) == (False, text)
        return
    seen = text[: min(ends)]
    cut = min(seen.find(stop) for stop in stops if stop in seen)
    assert (is_stopped, "".join(pieces)) == (True, seen[:cut])


def test_the_beginning_of_a_stop_string_is_held_back_until_it_is_sure() -> None:
    stream = TextStream(Bytes(), ("END",))
    assert [stream.push(token) for token in tokens_of("xENxEND")] == ["x", "", "", "ENx", "", "", ""]
    assert stream.stopped


def test_a_held_back_beginning_is_given_out_at_the_end() -> None:
    stream = TextStream(Bytes(), ("END",))
    assert [stream.push(token) for token in tokens_of("aEN")] == ["a", "", ""]
    assert stream.finish() == "EN" and not stream.stopped
