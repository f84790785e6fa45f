"""Prompts and completions become tokens in one way, and hostile text stays text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tutelage.errors import SettingsError
from tutelage.models.load import load_tokenizer
from tutelage.models.tokenizer import train_tokenizer
from tutelage.models.tokens import Renderer

TEMPLATE = "{% for m in messages %}<|end|>{{ m['role'] }}\n{{ m['content'] }}{% endfor %}<|end|>assistant{{ '\\n' }}"


def test_a_plain_prompt_is_its_text_and_a_line_feed(tokenizer):
    renderer = Renderer(tokenizer)
    assert tokenizer.decode(renderer.prompt_ids("the cat")) == "the cat\n"


def test_a_completion_ends_with_the_end_token_unless_it_was_cut(tokenizer):
    renderer = Renderer(tokenizer)
    ids = renderer.completion_ids("sat")
    assert ids[-1] == tokenizer.eos_token_id
    assert renderer.completion_ids("sat", end=False) == ids[:-1]


@given(st.text())
def test_any_text_round_trips(tokenizer, text):
    renderer = Renderer(tokenizer)
    assert renderer.decode(renderer.completion_ids(text)) == text


@pytest.mark.parametrize("special", ["<|end|>", "<|pad|>"])
def test_text_that_spells_a_special_token_stays_text(tokenizer, model_dir, special):
    for one in (tokenizer, load_tokenizer(model_dir)):
        # A call of the library resets how special tokens are read; the renderer must not depend on it.
        one("other use of the tokenizer")
        ids = Renderer(one).prompt_ids(f"a {special} b")
        assert one.eos_token_id not in ids
        assert one.pad_token_id not in ids
        assert Renderer(one).decode(ids) == f"a {special} b\n"


def test_many_prompts_are_encoded_as_one_by_one(tokenizer):
    renderer = Renderer(tokenizer)
    texts = ["the cat", "", "a dog\n\nsat"]
    assert renderer.prompts_ids(texts) == [renderer.prompt_ids(text) for text in texts]
    assert renderer.completions_ids(texts) == [renderer.completion_ids(text) for text in texts]


def test_the_chat_template_frames_the_prompt_with_real_special_tokens(model_dir):
    tokenizer = load_tokenizer(model_dir)
    tokenizer.chat_template = TEMPLATE
    ids = Renderer(tokenizer, "chat").prompt_ids("say <|end|>")
    end = tokenizer.eos_token_id
    assert [i for i, token in enumerate(ids) if token == end][0] == 0
    assert ids.count(end) == 2
    assert tokenizer.decode(ids) == "<|end|>user\nsay <|end|><|end|>assistant\n"


def test_a_chat_template_that_is_missing_is_told(tokenizer):
    with pytest.raises(SettingsError, match="no chat template"):
        Renderer(tokenizer, "chat")


def test_a_vocabulary_without_room_for_the_bytes_is_refused():
    with pytest.raises(SettingsError, match="258 or more"):
        train_tokenizer(["a"], 200)
