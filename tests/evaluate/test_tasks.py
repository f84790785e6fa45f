"""Tasks: what every benchmark must do, and scores against hand calculations and another way to compute them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM
from transformers import PreTrainedTokenizerFast as Tokenizer

from tutelage.errors import DataError, InvariantError
from tutelage.evaluate.tasks import Item, Subject, Task, by_task, losses, run
from tutelage.evaluate.tasks.choice import MultipleChoice
from tutelage.evaluate.tasks.exact import ExactMatch
from tutelage.evaluate.tasks.pairs import SentencePairs, binary_entropy
from tutelage.evaluate.tasks.published import crows_pairs, truthful_qa, winogender
from tutelage.files import append_jsonl
from tutelage.models.load import Shape, fresh, save
from tutelage.models.tokenizer import train_tokenizer

BYTES = 258
WIDTH = 288


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    """Give a tokenizer of single bytes and two special tokens."""
    return train_tokenizer(["abc"], BYTES)


@pytest.fixture(scope="module")
def table(tokenizer: Tokenizer) -> Callable[..., Subject]:
    """Make a subject whose next token depends on the last one alone; what the table leaves out is equally likely."""

    def make(**following: str) -> Subject:
        config = LlamaConfig(
            vocab_size=BYTES, hidden_size=WIDTH, intermediate_size=8, num_hidden_layers=1, num_attention_heads=4,
            num_key_value_heads=4, max_position_embeddings=64, tie_word_embeddings=False, rms_norm_eps=1e-12,
            bos_token_id=None, eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id,
        )  # fmt: skip
        model = LlamaForCausalLM(config).eval()
        with torch.no_grad():
            for parameter in model.model.layers.parameters():
                parameter.zero_()
            model.model.embed_tokens.weight.copy_(torch.eye(BYTES, WIDTH))
            model.lm_head.weight.zero_()
            for last, after in following.items():
                # The norm makes a one-hot row sqrt(WIDTH) long, so these logits are 4 and all others 0.
                model.lm_head.weight[_id(tokenizer, after), _id(tokenizer, last)] = 4 / math.sqrt(WIDTH)
        return Subject(model, tokenizer)

    return make


def _id(tokenizer: Tokenizer, character: str) -> int:
    (number,) = tokenizer.encode(character, add_special_tokens=False)
    return number


def choice_item(answer: str, choices: Sequence[str], prompt: str = "q:", name: str = "1") -> Item:
    return Item(task="made", item=name, prompt=prompt, answer=answer, choices=tuple(choices))


MADE: dict[str, Callable[[], Task]] = {
    "choice": lambda: MultipleChoice(
        "made",
        (choice_item(" a", (" a", " bb", " ccc")), choice_item(" d", (" d", " a"), prompt="longer q:", name="2")),
    ),
    "exact": lambda: ExactMatch(
        "made",
        (Item(task="made", item="1", prompt="q", answer="a"), Item(task="made", item="2", prompt="b", answer="c")),
    ),
    "entropy": lambda: SentencePairs(
        "made", (choice_item("he", ("she", "he"), prompt=""), choice_item("b", ("abc", "b"), prompt="", name="2"))
    ),
    "pairs": lambda: SentencePairs("made", (choice_item("he", ("she", "he"), prompt=""),), "choice"),
}


@pytest.mark.parametrize("kind", MADE)
def test_every_task_keeps_the_contract(kind: str, tokenizer: Tokenizer) -> None:
    """One number from 0 to 1 per item, the same whatever is computed together and whatever was asked before."""
    model = fresh(Shape(hidden=32, layers=2, heads=2, feedforward=48, context=64), tokenizer, seed=3)
    task = MADE[kind]()
    together, alone = Subject(model, tokenizer), Subject(model, tokenizer, budget=1)
    scores = task.scores(together)
    assert len(scores) == len(task.items)
    assert all(0.0 <= score <= 1.0 for score in scores)
    assert task.scores(alone) == scores
    assert task.scores(together) == scores
    assert task.name == "made"


def test_mean_logprobs_equal_one_plain_pass_per_choice(tokenizer: Tokenizer) -> None:
    model = fresh(Shape(hidden=32, layers=2, heads=2, feedforward=48, context=64), tokenizer, seed=5)
    prompts, choices = ["When", "It is a longer prompt:"], [[" now", " at some time"], [" x", " yy", " zzzz"]]
    found = Subject(model, tokenizer).mean_logprobs(prompts, choices)
    for prompt, some, means in zip(prompts, choices, found, strict=True):
        for choice, mean in zip(some, means, strict=True):
            before = [tokenizer.eos_token_id, *tokenizer.encode(prompt, add_special_tokens=False)]
            after = tokenizer.encode(choice, add_special_tokens=False)
            with torch.no_grad():
                logits = model(input_ids=torch.tensor([before + after])).logits[0].double()
            logp = [logits[at].log_softmax(-1)[token].item() for at, token in enumerate(after, start=len(before) - 1)]
            assert mean == pytest.approx(sum(logp) / len(logp), abs=1e-5)


def test_likelihood_is_by_hand_and_per_token(table: Callable[..., Subject]) -> None:
    """After q comes a with p = e^4 / (e^4 + 257); every other token has 1 / (e^4 + 257) or, after others, 1 / 258."""
    found = table(q="a").mean_logprobs(["xq"], [["a", "ab", "b"]])
    whole = math.log(math.exp(4) + 257)
    expected = [4 - whole, (4 - whole - math.log(258)) / 2, -whole]
    assert found[0] == pytest.approx(expected, abs=1e-4)


def test_the_likeliest_choice_per_token_is_taken(table: Callable[..., Subject]) -> None:
    subject = table(q="a", a="a")
    right = MultipleChoice("made", (choice_item("aaaa", ("aaaa", "b"), prompt="q"),))
    wrong = MultipleChoice("made", (choice_item("b", ("aaaa", "b"), prompt="q"),))
    assert (right.scores(subject), wrong.scores(subject)) == ([1.0], [0.0])


def test_choices_that_tie_share_the_point(table: Callable[..., Subject]) -> None:
    task = MultipleChoice("made", (choice_item("z", ("x", "y", "z", "w")),))
    assert task.scores(table()) == [0.25]


def test_white_space_at_the_border_belongs_to_the_choice(table: Callable[..., Subject]) -> None:
    subject = table(q=" ")
    apart = MultipleChoice("made", (choice_item("a", ("a", "bb"), prompt="q "),))
    joined = MultipleChoice("made", (choice_item(" a", (" a", " bb"), prompt="q"),))
    assert apart.scores(subject) == joined.scores(subject)


def test_exact_match_is_greedy_and_ends_at_the_line(table: Callable[..., Subject]) -> None:
    subject = table(q="a", a="b", b="\n", x="y", y="x")
    items = (
        Item(task="made", item="right", prompt="q", answer="ab"),
        Item(task="made", item="prefix only", prompt="q", answer="a"),
        Item(task="made", item="goes on", prompt="x", answer="yxy"),
    )
    assert ExactMatch("made", items).scores(subject) == [1.0, 0.0, 0.0]


def test_run_scores_each_model_on_each_item(tokenizer: Tokenizer, tmp_path: Path) -> None:
    for name, seed in (("base", 1), ("ppo", 2)):
        model = fresh(Shape(hidden=32, layers=1, heads=2, feedforward=48, context=64), tokenizer, seed=seed)
        save(model, tokenizer, tmp_path / name)
    task = MADE["choice"]()
    rows = run([task], {"base": tmp_path / "base", "ppo": tmp_path / "ppo"}, seed=7)
    assert [(row.model, row.task, row.item, row.seed) for row in rows] == [
        ("base", "made", "1", 7), ("base", "made", "2", 7), ("ppo", "made", "1", 7), ("ppo", "made", "2", 7),
    ]  # fmt: skip


def test_the_entropy_of_a_choice_is_of_whole_sentences(table: Callable[..., Subject]) -> None:
    """After q comes a with e^4 / (e^4 + 257), z with 1 / (e^4 + 257); what begins both sentences cancels out."""
    subject = table(q="a")
    pair = choice_item("qz", ("qa", "qz"), prompt="")
    odds = math.exp(4)
    p = odds / (odds + 1)
    by_hand = -(p * math.log2(p) + (1 - p) * math.log2(1 - p))
    assert SentencePairs("made", (pair,)).scores(subject) == pytest.approx([by_hand], abs=1e-4)
    assert SentencePairs("made", (pair,), "choice").scores(subject) == [0.0]
    even = choice_item("xa", ("xb", "xa"), prompt="")
    assert SentencePairs("made", (even,)).scores(subject) == pytest.approx([1.0])
    assert SentencePairs("made", (even,), "choice").scores(subject) == [0.5]
    # A sentence of one more token is less likely as a whole, whatever its mean is.
    longer = choice_item("qaa", ("qa", "qaa"), prompt="")
    assert SentencePairs("made", (longer,), "choice").scores(subject) == [0.0]


@pytest.mark.parametrize(
    ("nats", "bits"), [(0.0, 1.0), (math.log(3), 0.811278), (-math.log(3), 0.811278), (900.0, 0.0)]
)
def test_binary_entropy_is_that_of_the_books(nats: float, bits: float) -> None:
    assert binary_entropy(nats) == pytest.approx(bits, abs=1e-6)


def test_published_sets_become_tasks(tmp_path: Path) -> None:
    truths = tmp_path / "t.jsonl"
    append_jsonl(truths, [{"id": f"q{n}", "question": "Why?", "best_answer": "So", "correct_answers": ["So", "Both"],
                           "incorrect_answers": ["No", "Both", "No"], "category": "x"} for n in range(5)])  # fmt: skip
    task = truthful_qa(truths, 3)
    assert len(task.items) == 3 and {item.choices for item in task.items} == {(" So", " No")}
    assert task.items[0].prompt == "Q: Why?\nA:" and task.items[0].answer == " So"
    assert [item.item for item in truthful_qa(truths, 3).items] == [item.item for item in task.items], "always the same"
    pairs = tmp_path / "c.jsonl"
    append_jsonl(pairs, [{"id": n, "sent_more": more, "sent_less": "B."} for n, more in (("1", "A."), ("2", "B."))])
    entropy, choice = crows_pairs(pairs, 9)
    assert [item.choices for item in entropy.items] == [("A.", "B.")] and choice.items[0].answer == "B."
    genders = tmp_path / "w.jsonl"
    append_jsonl(genders, [{"id": f"{pair}{g}", "pair_id": pair, "gender": g, "sentence": f"{g} {pair}."}
                           for pair in "xy" for g in ("male", "female", "neutral")])  # fmt: skip
    assert [item.choices for item in winogender(genders, 9).items] == [
        ("female x.", "male x."), ("female y.", "male y."),
    ]  # fmt: skip
    (tmp_path / "bad.jsonl").write_text('{"id": "1", "sent_more": "A."}\n')
    with pytest.raises(DataError, match=r"bad\.jsonl:1: the field sent_less is missing"):
        crows_pairs(tmp_path / "bad.jsonl", 9)
    (tmp_path / "none.jsonl").write_text("")
    with pytest.raises(DataError, match="holds no item that can be asked"):
        winogender(tmp_path / "none.jsonl", 9)


def test_the_loss_is_minus_the_mean_log_probability(tokenizer: Tokenizer, tmp_path: Path) -> None:
    model = fresh(Shape(hidden=32, layers=1, heads=2, feedforward=48, context=64), tokenizer, seed=4)
    save(model, tokenizer, tmp_path / "one")
    (row,) = losses.run([losses.Text("a", "abcab")], {"start": tmp_path / "one"}, seed=3)
    ids = [tokenizer.eos_token_id, *tokenizer.encode("abcab", add_special_tokens=False)]
    with torch.no_grad():
        expected = torch.nn.functional.cross_entropy(model(torch.tensor([ids])).logits[0, :-1], torch.tensor(ids[1:]))
    assert row.loss == pytest.approx(float(expected), abs=1e-5) and (row.seed, row.model, row.text) == (3, "start", "a")
    with pytest.raises(DataError, match="texts with different names, at least one"):
        losses.run([], {"start": tmp_path / "one"}, seed=3)


def test_items_are_gathered_by_task() -> None:
    items = [Item(task=task, item=str(number), prompt="p", answer="a") for number, task in enumerate("xyx")]
    assert {name: [item.item for item in some] for name, some in by_task(items).items()} == {
        "x": ["0", "2"],
        "y": ["1"],
    }


def test_bad_items_are_refused_in_a_sentence(table: Callable[..., Subject], tmp_path: Path) -> None:
    with pytest.raises(DataError, match="prompt and an answer that are not empty"):
        Item(task="t", item="1", prompt=" ", answer="a")
    with pytest.raises(DataError, match="the answer among them"):
        choice_item("z", ("a", "b"))
    with pytest.raises(DataError, match="two or more different choices"):
        choice_item("a", ("a", "a"))
    with pytest.raises(DataError, match="needs two sentences, it has 3"):
        SentencePairs("t", (choice_item("a", ("a", "b", "c")),))
    with pytest.raises(DataError, match="score it by exact match"):
        MultipleChoice("t", (Item(task="t", item="1", prompt="p", answer="a"),))
    with pytest.raises(DataError, match="context is 64; give shorter items"):
        MultipleChoice("t", (choice_item("a", ("a", "b"), prompt="p" * 64),)).scores(table())
    with pytest.raises(DataError, match="items with different names"):
        run([MultipleChoice("t", (choice_item("a", ("a", "b")),) * 2)], {"base": tmp_path}, seed=0)


def test_numbers_that_are_not_finite_stop_the_task(table: Callable[..., Subject]) -> None:
    subject = table()
    with torch.no_grad():
        subject.model.lm_head.weight.fill_(float("nan"))
    with pytest.raises(InvariantError, match="not finite"):
        MADE["choice"]().scores(subject)
    with pytest.raises(InvariantError, match="not finite"):
        MADE["exact"]().scores(subject)
