"""Other classifiers in the filter's place: guard models, endpoints, and transformers' sequence classifiers."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tutelage.errors import SettingsError, UnavailableError, UserError
from tutelage.generate.wire import Accepted, Ask, News, Token
from tutelage.safety.endpoint import KEY_VARIABLE, EndpointClassifier
from tutelage.serve.guard import GuardClassifier

LABELS = {"S1": "violence", "S10": "hate"}
URL = "https://moderation.example/v1/moderations"


class Guard:
    """A guard model that answers a text with a script."""

    def __init__(self, answers: dict[str, tuple[str, float]]) -> None:
        self.answers, self.asked = answers, list[Ask]()

    async def generate(self, ask: Ask) -> AsyncIterator[Accepted | News]:
        self.asked.append(ask)
        assert ask.messages is not None
        answer, chance = self.answers[ask.messages[-1][1]]
        yield Accepted(prompt_tokens=1, prompt_text="")
        blank = Token(spelling=b"\n\n", logprob=0.0)
        yield News(choice=0, text="\n\n", token=blank, is_token=True)
        top = ((b"unsafe", math.log(chance)), (b"safe", math.log(1 - chance)))
        yield News(choice=0, text=answer, token=Token(spelling=answer[:6].encode(), logprob=-1, top=top), is_token=True)
        yield News(choice=0, finish_reason="stop")


def test_a_guard_model_gives_the_probability_of_its_first_word_to_the_categories_it_names() -> None:
    guard = Guard({"kind": ("safe", 0.1), "cruel": ("unsafe\nS1,S10", 0.8), "rough": ("unsafe\nS10", 0.6)})
    found = asyncio.run(GuardClassifier(guard, LABELS).classify(["kind", "cruel", "rough"]))
    assert found[0] == pytest.approx({"violence": 0.1, "hate": 0.1})
    assert found[1] == pytest.approx({"violence": 0.8, "hate": 0.8})
    assert found[2] == pytest.approx({"violence": 0.0, "hate": 0.6})
    assert all(ask.temperature == 0 and ask.messages for ask in guard.asked)


@pytest.mark.parametrize("answer", ["I would say safe", "", "unsafe\nS99", "unsafe"])
def test_an_answer_that_is_none_is_no_verdict(answer: str) -> None:
    with pytest.raises(UnavailableError):
        asyncio.run(GuardClassifier(Guard({"text": (answer, 0.5)}), LABELS).classify(["text"]))


def endpoint(answer: Any, status: int = 200) -> tuple[EndpointClassifier, list[httpx2.Request]]:
    """Return a classifier whose endpoint answers so."""
    asked: list[httpx2.Request] = []

    def handle(request: httpx2.Request) -> httpx2.Response:
        asked.append(request)
        content = answer(json.loads(request.content)["input"]) if callable(answer) else answer
        return httpx2.Response(status, content=content if isinstance(content, str) else json.dumps(content))

    return EndpointClassifier(URL, {"nasty": "offensive"}, transport=httpx2.MockTransport(handle)), asked


def test_an_endpoint_is_asked_in_parts_and_its_scores_are_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_VARIABLE, "secret")
    scores = {"hate": 0.25, "nasty": 0.5, "unheard_of": 0.9, "illicit": None}
    classifier, asked = endpoint(lambda texts: {"results": [{"category_scores": scores} for _ in texts]})

    async def run() -> Any:
        async with classifier:
            return await classifier.classify(["a"] * 40)

    assert asyncio.run(run()) == [{"hate": 0.25, "offensive": 0.5}] * 40
    assert [len(json.loads(one.content)["input"]) for one in asked] == [32, 8]
    assert asked[0].headers["authorization"] == "Bearer secret"


@pytest.mark.parametrize(
    ("answer", "status"),
    [({"results": []}, 200), ("no json", 200), ({"error": {}}, 200), ({"results": [{}]}, 200), ({}, 429), ("", 302),
     ({"results": [{"category_scores": {"other": 1.0}}]}, 200)],
)  # fmt: skip
def test_an_endpoint_that_answers_otherwise_gives_no_verdict(answer: Any, status: int) -> None:
    with pytest.raises(UnavailableError):
        asyncio.run(endpoint(answer, status)[0].classify(["a"]))


@pytest.mark.parametrize("url", ["http://example.org/v1", "ftp://x", "moderations", "http://10.0.0.1/", "https://"])
def test_texts_are_never_sent_in_the_clear(url: str) -> None:
    with pytest.raises(SettingsError, match="https"):
        EndpointClassifier(url, {})
    EndpointClassifier("http://127.0.0.1:9/v1", {})


def test_a_sequence_classifier_of_transformers_answers(tmp_path: Path) -> None:
    import torch
    from transformers import LlamaConfig, LlamaForSequenceClassification

    from tests.generate.tiny import make
    from tutelage.generate.classifying import SequenceScorer, is_classifier

    _, tokenizer = make()
    tokenizer.pad_token = tokenizer.eos_token
    config = LlamaConfig(
        hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2, vocab_size=len(tokenizer),
        max_position_embeddings=32, num_labels=3, id2label={0: "fine", 1: "nasty", 2: "vile"},
        problem_type="multi_label_classification", pad_token_id=tokenizer.pad_token_id,
    )  # fmt: skip
    torch.manual_seed(0)
    model = LlamaForSequenceClassification(config).eval()
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    assert is_classifier(tmp_path)
    scorer = SequenceScorer(tmp_path, torch.float32)
    found = scorer.classify(["the goat", "the goat eats grass " * 30])
    ids = torch.tensor([tokenizer("the goat").input_ids])
    with torch.no_grad():
        expected = model(ids).logits[0].sigmoid().tolist()
    assert list(found[0]) == ["fine", "nasty", "vile"]
    assert list(found[0].values()) == pytest.approx(expected, abs=1e-5)
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(UserError, match="safetensors"):
        SequenceScorer(tmp_path, torch.float32)
