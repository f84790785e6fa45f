"""A fresh model that looks back copies what stood before, and stays a plain Llama."""

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, PreTrainedModel
from transformers import PreTrainedTokenizerFast as Tokenizer

from tutelage.generate.engine import Engine, complete
from tutelage.generate.request import Request
from tutelage.models.load import Shape, fresh, save
from tutelage.models.tokenizer import train_tokenizer


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    words = [f"{a}{b}{c}" for a in "bdfgk" for b in "aeiou" for c in "lmnrs"]
    return train_tokenizer([" ".join(words) + "\n"] * 20, 500)


def repeated(tokens: int, gap: int, generator: torch.Generator) -> tuple[torch.Tensor, slice]:
    """Return random tokens, something else, and the same tokens again; and where the copy can be foretold."""
    text = torch.randint(2, tokens, (20,), generator=generator)
    other = torch.randint(2, tokens, (gap,), generator=generator)
    ids = torch.cat([text, other, text])
    return ids, slice(20 + gap + 1, 40 + gap)


def copy_loss(model: PreTrainedModel, tokens: int) -> float:
    generator = torch.Generator().manual_seed(0)
    losses = []
    for gap in range(3, 63, 3):
        ids, where = repeated(tokens, gap, generator)
        with torch.no_grad():
            logits = model(ids[None]).logits[0]
        chosen = torch.log_softmax(logits[:-1], -1)[torch.arange(len(ids) - 1), ids[1:]]
        losses.append(float(-chosen[where.start - 1 : where.stop - 1].mean()))
    return sum(losses) / len(losses)


def test_it_foretells_the_second_writing_of_a_random_text_at_any_distance(tokenizer: Tokenizer) -> None:
    tokens = len(tokenizer)
    assert copy_loss(fresh(Shape(looks_back=True), tokenizer, seed=1), tokens) < 1.5
    assert copy_loss(fresh(Shape(), tokenizer, seed=1), tokens) > 5.0


def test_the_same_seed_gives_the_same_weights(tokenizer: Tokenizer) -> None:
    first, second, other = (fresh(Shape(looks_back=True), tokenizer, seed=seed) for seed in (1, 1, 2))
    pairs = zip(first.parameters(), second.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
    assert not torch.equal(first.get_input_embeddings().weight, other.get_input_embeddings().weight)


def test_other_tools_load_it_and_the_engine_continues_as_they_do(tokenizer: Tokenizer, tmp_path: Path) -> None:
    model = fresh(Shape(looks_back=True), tokenizer, seed=3)
    save(model, tokenizer, tmp_path / "model")
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path / "model", local_files_only=True).eval()
    generator = torch.Generator().manual_seed(5)
    ids, where = repeated(len(tokenizer), 7, generator)
    prompt = ids[: where.start + 4]
    with torch.no_grad():
        assert torch.allclose(loaded(ids[None]).logits, model(ids[None]).logits, atol=1e-5)
        continued = loaded.generate(prompt[None], max_new_tokens=10, do_sample=False, eos_token_id=None)
    request = Request(prompt_ids=tuple(prompt.tolist()), max_tokens=10, temperature=0.0, stop_ids=())
    (result,) = complete(Engine(model, tokenizer), [request])
    assert result.ids == continued[0, len(prompt) :].tolist()


def test_the_spellings_of_a_word_begin_close_to_each_other_and_other_words_do_not() -> None:
    tokenizer = train_tokenizer(["Mira\n Mira Boris\nBoris Mira\n"] * 50, 300)
    weight = fresh(Shape(looks_back=True), tokenizer, seed=3).get_input_embeddings().weight.detach()

    def vector(spelling: str) -> torch.Tensor:
        (number,) = tokenizer(spelling, add_special_tokens=False)["input_ids"]
        return weight[number] / weight[number].norm()

    for word in ("Mira", "Boris"):
        assert vector(word) @ vector(f" {word}") > 0.3
    assert vector("Mira") @ vector(" Boris") < 0.3
    assert vector(" Mira") @ vector(" Boris") < 0.3
