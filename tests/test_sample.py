"""Completions for ranking: from several policies into the store, resumed where they stopped."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.generate.tiny import make_directory
from tutelage.cli import app
from tutelage.errors import DataError
from tutelage.files import content_hash, sha256_of
from tutelage.generate.engine import Engine, complete
from tutelage.generate.request import Request
from tutelage.models.load import load_policy
from tutelage.records import Prompt, RegisteredModel
from tutelage.sample import Policy, SamplingSettings, sample, sample_texts
from tutelage.store import Store, completions, prompts, registry, users

NOW = datetime(2026, 1, 1, tzinfo=UTC)
TEXTS = ["the goat", "one two", "wie schön", "the end", "hat", "eats"]
ASKED = [
    Prompt(id=f"p{i}", text=text, source="starter", user="u", consent="notice-1", split="train")
    for i, text in enumerate(TEXTS)
]
SETTINGS = SamplingSettings(per_prompt=3, max_tokens=8, seed=5)


@pytest.fixture(scope="module")
def policies(tmp_path_factory: pytest.TempPathFactory) -> list[Policy]:
    folder = tmp_path_factory.mktemp("models")
    return [Policy(f"tiny@{seed}", make_directory(folder / str(seed), seed)) for seed in (1, 2)]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(f"sqlite:///{tmp_path / 's.db'}") as store:
        users.assign(store, ["u"], shares={"train": 1}, now=NOW)
        prompts.add(store, ASKED, now=NOW)
        yield store


def test_every_policy_answers_every_prompt_and_a_second_run_adds_nothing(store: Store, policies: list[Policy]) -> None:
    seen: list[tuple[int, int]] = []
    report = sample(store, ASKED, policies, SETTINGS, progress=lambda done, total: seen.append((done, total)))
    assert (report.made, report.present, report.too_long) == (36, 0, {})
    assert seen[-1] == (36, 36)
    for policy in policies:
        made = completions.of_policy(store, policy.name)
        assert sorted({c.prompt_id for c in made}) == [p.id for p in ASKED] and len(made) == 18
        assert {c.sampling["choice"] for c in made} == {0, 1, 2} and made[0].sampling["seed"] == 5
    again = sample(store, ASKED, policies, SETTINGS)
    assert (again.made, again.present) == (0, 36)


def test_what_was_stopped_goes_on_to_the_same_completions(store: Store, policies: list[Policy]) -> None:
    sample(store, ASKED[:4], policies[:1], SETTINGS)
    rest = sample(store, ASKED, policies[:1], SETTINGS)
    assert (rest.made, rest.present) == (6, 12)
    at_once = sample_texts(policies[0], ASKED, SETTINGS)
    assert sorted(at_once, key=lambda c: c.id) == completions.of_policy(store, policies[0].name)


def test_a_greedy_completion_is_what_the_engine_says(policies: list[Policy]) -> None:
    model, tokenizer = load_policy(policies[0].path)
    made = sample_texts(policies[0], ASKED, SamplingSettings(per_prompt=1, temperature=0, max_tokens=6))
    ids = [tuple(tokenizer.encode(text + "\n", add_special_tokens=False)) for text in TEXTS]
    expected = complete(Engine(model, tokenizer), [Request(prompt_ids=i, max_tokens=6, temperature=0) for i in ids])
    assert [(c.text, c.finish_reason) for c in made] == [(r.text, r.finish_reason) for r in expected]


def test_precision_is_part_of_what_is_drawn(policies: list[Policy]) -> None:
    """In bfloat16 another text is drawn under another id; in full precision the id is what it always was."""
    told: list[tuple[int, int]] = []
    full = sample_texts(policies[0], ASKED, SETTINGS, progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (18, 18) and [done for done, _ in told] == sorted(done for done, _ in told)
    narrow = sample_texts(policies[0], ASKED, SETTINGS.model_copy(update={"precision": "bf16"}))
    assert {one.id for one in full}.isdisjoint(one.id for one in narrow)
    drawn = {"temperature": 1.0, "top_p": 1.0, "max_tokens": 8, "template": "auto", "seed": 5}
    known = [content_hash([ASKED[0].id, ASKED[0].text, policies[0].name, drawn, choice])[:24] for choice in range(3)]
    assert [one.id for one in full[:3]] == [f"c{name}" for name in known]


def test_prompts_beyond_the_context_are_left_out_and_named(store: Store, policies: list[Policy]) -> None:
    long = SamplingSettings(per_prompt=1, max_tokens=93)
    report = sample(store, ASKED, policies[:1], long)
    named = report.too_long[policies[0].name]
    assert named and set(named) < {p.id for p in ASKED} and report.made == len(ASKED) - len(named)
    with pytest.raises(DataError, match="leave it out or lower max_tokens"):
        sample_texts(policies[0], [p for p in ASKED if p.id in named], long)


def test_the_command_samples_registered_models(store: Store, policies: list[Policy]) -> None:
    path = policies[0].path
    new = RegisteredModel(name="tiny", version=0, path=str(path), sha256=sha256_of(path), run="r")
    registry.register(store, new, prompt_hashes=(), now=NOW)
    url = str(store.engine.url)
    arguments = [
        "sample",
        "tiny",
        "--database",
        url,
        "--split",
        "train",
        "--set",
        "per_prompt=2",
        "--set",
        "max_tokens=4",
    ]
    first = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert first.stdout == "12 completions made, 0 were there.\n"
    assert CliRunner().invoke(app, arguments, catch_exceptions=False).stdout == "0 completions made, 12 were there.\n"
    assert len(completions.of_policy(store, "tiny@1")) == 12
