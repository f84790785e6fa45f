"""Asking models: what every published task must keep, and answers against hand calculations and another way to them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM
from transformers import PreTrainedTokenizerFast as Tokenizer

from tests.evaluate.task_rows import ROWS
from tests.evaluate.test_task_prompts import posed
from tutelage.errors import DataError, InvariantError, SettingsError
from tutelage.evaluate.tasks import losses, own, scores
from tutelage.evaluate.tasks.catalogue import BENCHMARKS
from tutelage.evaluate.tasks.item import Item
from tutelage.evaluate.tasks.pairs import binary_entropy
from tutelage.evaluate.tasks.question import Answer, Question
from tutelage.evaluate.tasks.subject import Subject
from tutelage.evaluate.tasks.task import Task
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


def scored(task: Task, subject: Subject, metric: str = "accuracy") -> list[float]:
    answers = subject.answer(task.questions)
    return [task.score(one, given, {})[metric] for one, given in zip(task.questions, answers, strict=True)]


@pytest.fixture(scope="module")
def tiny(tokenizer: Tokenizer) -> Callable[..., Subject]:
    """Make a random model of one layer that reads long prompts; all of them are the same model."""
    model = fresh(Shape(hidden=16, layers=1, heads=2, feedforward=24, context=3000), tokenizer, seed=3)
    return lambda **how: Subject(model, tokenizer, **how)


@pytest.mark.parametrize("name", ROWS)
def test_every_task_keeps_the_contract(name: str, tiny: Callable[..., Subject]) -> None:
    """Numbers from 0 to 1, the same whatever is computed together and asked before, of metrics that the task names."""
    assert set(BENCHMARKS) == set(ROWS), "a new task needs rows here"
    task = posed(name, items=2, shots=min(1, BENCHMARKS[name].shots))
    answers = tiny().answer(task.questions)
    alone = tiny(budget=1).answer(task.questions)
    assert [(one.text, one.missing) for one in alone] == [(one.text, one.missing) for one in answers]
    totals = [[one.total for given in some for one in given.likely] for some in (alone, answers)]
    assert totals[0] == pytest.approx(totals[1], abs=1e-3)
    assert [Answer.of(one.row()) for one in answers] == answers, "a record gives the answer back"
    verdicts = dict.fromkeys(task.judged, 0.7)
    for question, answer in zip(task.questions, answers, strict=True):
        values = task.score(question, answer, verdicts)
        assert values and set(values) <= set(task.metrics)
        assert "bleu" in values or all(0.0 <= value <= 1.0 for value in values.values())
        assert question.prompt == question.prompt.rstrip() or not question.choices
        assert question.shown or question.condition == "unprompted"


def test_likelihoods_equal_one_plain_pass_per_choice(tokenizer: Tokenizer) -> None:
    model = fresh(Shape(hidden=32, layers=2, heads=2, feedforward=48, context=64), tokenizer, seed=5)
    asked = [
        Question(item="1", prompt="When", choices=(" now", " at some time")),
        Question(item="2", prompt="It is a longer prompt:", choices=(" x", " yy", " zzzz")),
    ]
    for question, answer in zip(asked, Subject(model, tokenizer).answer(asked), strict=True):
        for choice, likely in zip(question.choices, answer.likely, strict=True):
            before = [tokenizer.eos_token_id, *tokenizer.encode(question.prompt, add_special_tokens=False)]
            after = tokenizer.encode(choice, add_special_tokens=False)
            with torch.no_grad():
                logits = model(input_ids=torch.tensor([before + after])).logits[0].double()
            logp = [logits[at].log_softmax(-1)[token].item() for at, token in enumerate(after, start=len(before) - 1)]
            assert likely.total == pytest.approx(sum(logp), abs=1e-4) and likely.tokens == len(after)
            assert likely.mean == pytest.approx(sum(logp) / len(logp), abs=1e-5)


def test_likelihood_is_by_hand_and_per_token(table: Callable[..., Subject]) -> None:
    """After q comes a with p = e^4 / (e^4 + 257); every other token has 1 / (e^4 + 257) or, after others, 1 / 258."""
    (answer,) = table(q="a").answer([Question(item="1", prompt="xq", choices=("a", "ab", "b"))])
    whole = math.log(math.exp(4) + 257)
    expected = [4 - whole, (4 - whole - math.log(258)) / 2, -whole]
    assert [one.mean for one in answer.likely] == pytest.approx(expected, abs=1e-4)


def test_the_likeliest_choice_per_token_is_taken(table: Callable[..., Subject]) -> None:
    subject = table(q="a", a="a")
    right = own.multiple_choice("made", (choice_item("aaaa", ("aaaa", "b"), prompt="q"),))
    wrong = own.multiple_choice("made", (choice_item("b", ("aaaa", "b"), prompt="q"),))
    assert (scored(right, subject), scored(wrong, subject)) == ([1.0], [0.0])


def test_choices_that_tie_share_the_point(table: Callable[..., Subject]) -> None:
    assert scored(own.multiple_choice("made", (choice_item("z", ("x", "y", "z", "w")),)), table()) == [0.25]


def test_white_space_at_the_border_belongs_to_the_choice(table: Callable[..., Subject]) -> None:
    apart = Question(item="1", prompt="q ", choices=("a", "bb"))
    joined = Question(item="1", prompt="q", choices=(" a", " bb"))
    subject = table(q=" ")
    assert subject.answer([apart]) == subject.answer([joined])


def test_exact_match_is_greedy_and_ends_at_the_line(table: Callable[..., Subject]) -> None:
    subject = table(q="a", a="b", b="\n", x="y", y="x")
    items = (
        Item(task="made", item="right", prompt="q", answer="ab"),
        Item(task="made", item="prefix only", prompt="q", answer="a"),
        Item(task="made", item="goes on", prompt="x", answer="yxy"),
    )
    assert scored(own.exact_match("made", items), subject, "exact_match") == [1.0, 0.0, 0.0]


def test_what_is_drawn_depends_on_the_item_alone(tiny: Callable[..., Subject]) -> None:
    drawn = [Question(item=str(n), prompt="", max_tokens=12, temperature=1.0) for n in range(3)]
    together = tiny().answer(drawn)
    assert [tiny().answer([one])[0] for one in drawn] == together
    assert len({one.text for one in together}) == 3, "three of 258^12 texts"


def test_a_turn_of_a_conversation_is_another_prompt(tiny: Callable[..., Subject], tokenizer: Tokenizer) -> None:
    question = Question(item="1", prompt="Why?", choices=(" So", " No"))
    with pytest.raises(SettingsError, match="The tokenizer has no chat template"):
        tiny(form="chat")
    tokenizer.chat_template = "{% for m in messages %}<{{ m.content }}>{% endfor %}"
    try:
        subject = tiny(form="chat")
    finally:
        tokenizer.chat_template = None
    spelled = Question(item="1", prompt="<Why?>", choices=("So", "No"))
    begin = tiny().prompts_ids([""])[0]
    assert subject.prompts_ids(["Why? "]) == [ids[len(begin) :] for ids in tiny().prompts_ids(["<Why?>"])]
    assert [one.tokens for one in subject.answer([question])[0].likely] == [
        one.tokens for one in tiny().answer([spelled])[0].likely
    ]


def test_what_does_not_fit_is_missing_and_no_zero(table: Callable[..., Subject]) -> None:
    fits, long = (Question(item=name, prompt="p" * size, choices=("a", "b")) for name, size in (("1", 60), ("2", 64)))
    writes = Question(item="3", prompt="p" * 60, max_tokens=4)
    found = table().answer([long, fits, writes])
    assert [one.missing for one in found] == ["too long", "", "too long"] and len(found[1].likely) == 2


def test_run_scores_each_model_on_each_item(tokenizer: Tokenizer, tmp_path: Path) -> None:
    for name, seed in (("base", 1), ("ppo", 2)):
        model = fresh(Shape(hidden=32, layers=1, heads=2, feedforward=48, context=64), tokenizer, seed=seed)
        save(model, tokenizer, tmp_path / name)
    models = {"base": tmp_path / "base", "ppo": tmp_path / "ppo"}
    task = own.multiple_choice("made", (choice_item(" a", (" a", " bb")), choice_item(" d", (" d", " a"), name="2")))
    assert [(row.model, row.task, row.item, row.seed) for row in scores.run([task], models, seed=7)] == [
        ("base", "made", "1", 7), ("base", "made", "2", 7), ("ppo", "made", "1", 7), ("ppo", "made", "2", 7),
    ]  # fmt: skip
    crows = scores.run([posed("crows-pairs", conditions=("plain",))], {"base": tmp_path / "base"}, seed=7)
    assert {row.task for row in crows} == {"crows_pairs_entropy", "crows_pairs_without_stereotype"}
    long = own.multiple_choice("made", (choice_item("a", ("a", "b"), prompt="p" * 64),))
    with pytest.raises(DataError, match="The item 1 of made is too long for the context of base, 64 tokens"):
        scores.run([long], models, seed=7)


def test_the_entropy_of_a_choice_is_of_whole_sentences(table: Callable[..., Subject]) -> None:
    """After q comes a with e^4 / (e^4 + 257), z with 1 / (e^4 + 257); what begins both sentences cancels out."""
    pairs = [{"id": "1", "sent_more": "qa", "sent_less": "qz"}, {"id": "2", "sent_more": "xb", "sent_less": "xa"},
             {"id": "3", "sent_more": "qa", "sent_less": "qaa"}]  # fmt: skip
    task = posed("crows-pairs", pairs, conditions=("plain",))
    subject = table(q="a")
    odds = math.exp(4)
    p = odds / (odds + 1)
    by_hand = -(p * math.log2(p) + (1 - p) * math.log2(1 - p))
    assert scored(task, subject, "entropy")[:2] == pytest.approx([by_hand, 1.0], abs=1e-4)
    # A sentence of one more token is less likely as a whole, whatever its mean is.
    assert scored(task, subject, "without_stereotype") == [0.0, 0.5, 0.0]


@pytest.mark.parametrize(
    ("nats", "bits"), [(0.0, 1.0), (math.log(3), 0.811278), (-math.log(3), 0.811278), (900.0, 0.0)]
)
def test_binary_entropy_is_that_of_the_books(nats: float, bits: float) -> None:
    assert binary_entropy(nats) == pytest.approx(bits, abs=1e-6)


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
    assert {name: [item.item for item in some] for name, some in own.by_task(items).items()} == {
        "x": ["0", "2"],
        "y": ["1"],
    }


def test_bad_items_are_refused_in_a_sentence() -> None:
    with pytest.raises(DataError, match="prompt and an answer that are not empty"):
        Item(task="t", item="1", prompt=" ", answer="a")
    with pytest.raises(DataError, match="the answer among them"):
        choice_item("z", ("a", "b"))
    with pytest.raises(DataError, match="two or more different choices"):
        choice_item("a", ("a", "a"))
    with pytest.raises(DataError, match="score it by exact match"):
        own.multiple_choice("t", (Item(task="t", item="1", prompt="p", answer="a"),))
    with pytest.raises(DataError, match="items with different names, and 1 comes twice"):
        own.multiple_choice("t", (choice_item("a", ("a", "b")),) * 2)


def test_numbers_that_are_not_finite_stop_the_task(table: Callable[..., Subject]) -> None:
    subject = table()
    with torch.no_grad():
        subject.model.lm_head.weight.fill_(float("nan"))
    with pytest.raises(InvariantError, match="not finite"):
        subject.answer([Question(item="1", prompt="q", choices=("a", "b"))])
    with pytest.raises(InvariantError, match="not finite"):
        subject.answer([Question(item="1", prompt="q", max_tokens=2)])


def test_a_choice_without_a_token_is_told(tiny: Callable[..., Subject]) -> None:
    with pytest.raises(DataError, match="A choice of the item 1 has no token in this model's vocabulary"):
        tiny().answer([Question(item="1", prompt="q", choices=("a", ""))])
