"""A tokenizer and a random model small enough to build in a test."""

import pytest

from tutelage.models.load import Shape, fresh
from tutelage.models.tokenizer import train_tokenizer

TEXT = "the cat sat on the mat and the dog sat on the cat.\n"


@pytest.fixture(scope="session")
def tokenizer():
    return train_tokenizer([TEXT] * 20, 290)


@pytest.fixture
def model(tokenizer):
    return fresh(Shape(hidden=16, layers=2, heads=2, feedforward=32, context=64), tokenizer, seed=1)


@pytest.fixture
def model_dir(model, tokenizer, tmp_path):
    from tutelage.models.load import save

    return save(model, tokenizer, tmp_path / "model")
