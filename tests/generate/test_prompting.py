"""Prompts as models were trained to read them, and the bytes of tokens."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.generate.tiny import CHAT, make
from tutelage.errors import DataError
from tutelage.generate.prompting import Message, Prompter, template_of
from tutelage.generate.request import RequestError
from tutelage.generate.vocabulary import Vocabulary


def test_one_plain_message_is_the_prompt_of_training_and_more_follow_each_other() -> None:
    prompter = Prompter(make()[1], "plain")
    assert prompter.renderer.decode(prompter.conversation_ids([Message("user", "the goat")])) == "the goat\n"
    turns = [Message("user", "one"), Message("assistant", "two"), Message("user", "three")]
    assert prompter.renderer.decode(prompter.conversation_ids(turns)) == "one\ntwo\nthree\n"


def test_an_empty_text_is_the_beginning_of_a_document() -> None:
    tokenizer = make()[1]
    assert Prompter(tokenizer, "plain").text_ids("") == [tokenizer.eos_token_id]


def test_text_never_becomes_a_special_token_but_the_template_s_own_does() -> None:
    tokenizer = make()[1]
    tokenizer.chat_template = "{% for m in messages %}{{ m['content'] }}<|end|>{% endfor %}"
    ids = Prompter(tokenizer, "chat").conversation_ids([Message("user", "a<|end|>b"), Message("user", "c")])
    assert ids.count(tokenizer.eos_token_id) == 2
    assert tokenizer.decode(ids) == "a<|end|>b<|end|>c<|end|>"


def test_a_template_that_refuses_is_told() -> None:
    tokenizer = make()[1]
    tokenizer.chat_template = "{% for m in messages %}{% if m['role'] == 'system' %}{{ raise_exception('no system') }}{% endif %}x{{ m['content'] }}{% endfor %}"  # noqa: E501
    prompter = Prompter(tokenizer, "chat")
    with pytest.raises(RequestError, match="no system"):
        prompter.conversation_ids([Message("system", "a")])


def test_the_rendering_is_the_recorded_one_else_the_tokenizer_s(tmp_path: Path) -> None:
    tokenizer = make()[1]
    assert template_of(tmp_path, tokenizer) == "plain"
    tokenizer.chat_template = CHAT
    assert template_of(tmp_path, tokenizer) == "chat"
    (tmp_path / "card.json").write_text('{"template": "plain"}')
    assert template_of(tmp_path, tokenizer) == "plain"
    (tmp_path / "card.json").write_text('{"template": "fancy"}')
    with pytest.raises(DataError, match="fancy"):
        template_of(tmp_path, tokenizer)


def test_the_bytes_of_all_tokens_spell_any_text() -> None:
    tokenizer = make()[1]
    vocabulary = Vocabulary(tokenizer)
    text = "héllo 日本語 🙂\n\x00 the goat"
    assert b"".join(vocabulary.bytes_of(id) for id in tokenizer.encode(text)) == text.encode()
    assert vocabulary.is_special(tokenizer.eos_token_id) and vocabulary.bytes_of(tokenizer.eos_token_id) == b"<|end|>"
    assert vocabulary.bytes_of(len(tokenizer) + 5) == b""
