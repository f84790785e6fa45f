"""Words are found however they are spelled, and only where they are words."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.safety.filters import content, policy
from tutelage.errors import DataError, MissingError, SettingsError
from tutelage.safety.policy import PolicySettings
from tutelage.safety.policy import make as make_policy
from tutelage.safety.policy import read as read_policy
from tutelage.safety.rules import Rules
from tutelage.safety.text import seen, visible

ZERO_WIDTH, OVERRIDE = "\u200b", "\u202e"


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> Rules:
    return Rules(policy(tmp_path_factory.mktemp("rules")))


@pytest.mark.parametrize(
    "spelling",
    [
        "glorp",
        "GLORP!",
        f"gl{ZERO_WIDTH}or{OVERRIDE}p",
        "ｇｌｏｒｐ",
        "gl\u043er\u0440",  # Cyrillic o and er
        "gl0rp",
        "g1orp",
        "g.l.o.r.p",
        "g l o r p",
        "gloooooorp",
        "gl\u0336o\u0336r\u0336p\u0336",
        "glörp",
        "say(glorp)now",
        "vex  nar",
        "vex-nar",
        "vex\nnar",
        "quillosity",
        "wibb",
        "wibbbbb",
    ],
)
def test_a_term_is_found_in_every_spelling(rules: Rules, spelling: str) -> None:
    text = f"so much {spelling} here"
    (hit,) = {(hit.rule, hit.severity) for hit in rules.find(text, "prompt")}
    assert hit == ("list:invented", 2)
    for found in rules.find(text, "prompt"):
        assert text[found.start : found.end].strip() in spelling


@pytest.mark.parametrize(
    "text", ["glorping", "unglorp", "vexed nary", "vexnar", "quill", "wib", "wi", "", "g l o", "…"]
)
def test_what_only_looks_like_a_term_is_none(rules: Rules, text: str) -> None:
    assert rules.find(text, "prompt") == []


def test_a_term_at_the_end_of_a_text_that_goes_on_is_not_sure_yet(rules: Rules) -> None:
    assert rules.find("so glorp", "completion", is_final=False) == []
    assert rules.find("so glorp", "completion", is_final=True) != []
    assert rules.find("so glorp,", "completion", is_final=False) != []


@given(st.text(max_size=40))
def test_every_character_of_a_form_comes_from_somewhere(text: str) -> None:
    form = seen(text)
    assert len(form.text) == len(form.places)
    assert list(form.places) == sorted(form.places)
    assert all(0 <= place < len(text) for place in form.places)


def test_other_scripts_and_plain_text_stay_as_they_are() -> None:
    for text in ("привет мир", "日本語のテキスト", "naïve café", "line\nand\ttab", "3 < 4 & x_1"):
        assert visible(text) == text
    assert visible("p\u0430yp\u0430l") == "paypal"


def test_secrets_and_personal_data_are_found_in_completions_only(tmp_path: Path) -> None:
    strict = Rules(policy(tmp_path, secrets=2, personal_data=1))
    text = "Write to ann@example.org with AKIAIOSFODNN7EXAMPLE."
    found = {(hit.category, hit.severity, text[hit.start : hit.end]) for hit in strict.find(text, "completion")}
    assert found == {("personal_data", 1, "ann@example.org"), ("secrets", 2, "AKIAIOSFODNN7EXAMPLE")}
    assert strict.find(text, "prompt") == []


def test_severity_follows_the_thresholds_and_rules_only_raise_it(tmp_path: Path) -> None:
    made = policy(tmp_path, thresholds={"sexual": {"sensitive": 0.2, "unsafe": 0.3}})
    assert [made.severity_of("hate", score) for score in (0.49, 0.5, 0.7)] == [0, 1, 2]
    assert made.severity_of("sexual", 0.3) == 2
    hits = content(tmp_path).rules.find("glorp", "prompt")
    assert made.verdict({"hate": 0.0}, hits).severity == 2
    assert made.verdict({"hate": 0.9}, ()).rule == ""
    raised = made.verdict({"hate": 0.0}, hits)
    assert (raised.rule, raised.scores["banned_terms"], raised.scores["hate"]) == ("list:invented", 0.7, 0.0)


def test_a_version_changes_with_settings_terms_and_weights(tmp_path: Path) -> None:
    first = policy(tmp_path)
    assert policy(tmp_path).version == first.version
    assert policy(tmp_path, block=1).version != first.version
    assert make_policy(first.settings, tmp_path, "other weights").version != first.version
    (tmp_path / "terms.txt").write_text("other\n", encoding="utf-8")
    assert make_policy(first.settings, tmp_path).version != first.version


@pytest.mark.parametrize(
    ("toml", "error", "told"),
    [
        ("[thresholds.hat]\nunsafe = 0.9", SettingsError, "no category 'hat'"),
        ("[default]\nsensitive = 0.9", SettingsError, "unsafe cannot be less"),
        ('kind = "sequence"\nclassifier = "models/toxic"', SettingsError, "needs .labels."),
        ('[lists.a]\nfile = "gone.txt"', MissingError, "gone.txt is not there"),
        ('[lists.a]\nfile = "empty.txt"', DataError, "neither letter nor digit"),
        ('[lists.a]\nfile = "latin.txt"', DataError, "not UTF-8"),
    ],
)
def test_a_policy_that_cannot_be_used_is_told(tmp_path: Path, toml: str, error: type[Exception], told: str) -> None:
    (tmp_path / "policy.toml").write_text(toml, encoding="utf-8")
    (tmp_path / "empty.txt").write_text("---\n", encoding="utf-8")
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9\n")
    with pytest.raises(error, match=told):
        make_policy(read_policy(tmp_path / "policy.toml"), tmp_path)


def test_the_settings_explain_themselves() -> None:
    assert all(field.description for field in PolicySettings.model_fields.values())
