"""Streams give everything once per epoch, in an order that only the seed decides, and go on from their cursor."""

import pytest
import torch

from tutelage.errors import DataError
from tutelage.models.tokenizer import train_tokenizer
from tutelage.models.tokens import Renderer
from tutelage.train.streams import PackedRows, Shuffled, generator_for, pack


def test_each_epoch_holds_everything_once_in_another_order():
    stream = Shuffled(7, seed=3)
    epochs = [stream.take(7) for _ in range(4)]
    assert all(sorted(epoch) == list(range(7)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) > 1


def test_how_much_is_taken_at_once_does_not_matter():
    whole = Shuffled(5, seed=1).take(23)
    stream = Shuffled(5, seed=1)
    assert [index for size in (1, 4, 7, 11) for index in stream.take(size)] == whole


@pytest.mark.parametrize("at", [0, 1, 4, 5, 6, 14])
def test_a_stream_goes_on_from_its_cursor(at):
    stream, resumed = Shuffled(5, seed=1), Shuffled(5, seed=1)
    stream.take(at)
    resumed.load_state_dict(stream.state_dict())
    assert resumed.take(12) == stream.take(12)


def test_another_seed_is_another_order():
    assert Shuffled(50, seed=1).take(50) != Shuffled(50, seed=2).take(50)


def test_generators_of_different_numbers_differ():
    drawn = {int(torch.randint(1 << 40, (1,), generator=generator_for(a, b))) for a in range(5) for b in range(5)}
    assert len(drawn) == 25


def test_packing_keeps_every_token_but_an_incomplete_row():
    documents = [[1, 2, 3], [4], [5, 6]]
    rows = pack(documents, end_id=0, width=4, seed=0)
    assert rows.shape == (2, 4)
    joined = rows.flatten().tolist()
    assert joined.count(0) >= 1
    ended = [list(map(int, part.split())) for part in " ".join(map(str, joined)).split(" 0")]
    assert all(part in documents for part in ended[:-1])


def test_too_little_text_is_told():
    with pytest.raises(DataError, match="have 2 tokens and fill no row of 8"):
        pack([[5]], end_id=0, width=8, seed=0)
    with pytest.raises(DataError, match="have 0 tokens"):
        pack([], end_id=0, width=8, seed=0)


def test_text_that_spells_the_end_token_does_not_end_a_document():
    tokenizer = train_tokenizer(["a b c"] * 5, 270)
    rows = PackedRows(["<|end|>" * 9] * 3, Renderer(tokenizer), width=32, seed=0)
    assert int((rows.rows == tokenizer.eos_token_id).sum()) <= 3
