"""Models are loaded from whole safetensors directories only, and every other directory is told in a sentence."""

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel

from tutelage.errors import DataError, MissingError
from tutelage.models.load import Shape, fresh, load_policy, load_tokenizer, same_vocabulary, save
from tutelage.models.supported import check_supported
from tutelage.models.tokenizer import train_tokenizer


def test_a_saved_model_comes_back_with_the_same_weights(model, model_dir):
    loaded, tokenizer = load_policy(model_dir)
    assert not loaded.training
    before, after = model.state_dict(), loaded.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert tokenizer.eos_token_id != tokenizer.pad_token_id


def test_saving_writes_nothing_that_runs_code(model_dir):
    assert {path.suffix for path in model_dir.iterdir()} == {".json", ".safetensors"}


def test_a_fresh_model_depends_on_its_seed_only_and_leaves_the_global_state_alone(tokenizer):
    shape = Shape(hidden=8, layers=1, heads=1, feedforward=8)
    state = torch.get_rng_state()
    one, same, other = (fresh(shape, tokenizer, seed).get_input_embeddings().weight for seed in (3, 3, 4))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_the_dtype_is_the_one_that_was_asked_for(model_dir):
    assert load_policy(model_dir, dtype=torch.float64)[0].dtype == torch.float64


def test_a_missing_directory_is_told(tmp_path):
    with pytest.raises(MissingError, match="There is no model directory .*nowhere"):
        load_policy(tmp_path / "nowhere")


def test_a_directory_without_a_model_is_told(tmp_path):
    with pytest.raises(MissingError, match="holds no config.json"):
        load_policy(tmp_path)


def test_pickled_weights_are_refused(model_dir):
    (model_dir / "model.safetensors").rename(model_dir / "pytorch_model.bin")
    with pytest.raises(MissingError, match=r"pytorch_model\.bin but no \.safetensors"):
        load_policy(model_dir)


def test_missing_weights_are_told(model_dir):
    (model_dir / "model.safetensors").unlink()
    with pytest.raises(MissingError, match=r"holds no \.safetensors file"):
        load_policy(model_dir)


def test_a_torn_weight_file_is_told(model_dir):
    path = model_dir / "model.safetensors"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(DataError, match="cannot be loaded"):
        load_policy(model_dir)


def test_a_broken_configuration_is_told(model_dir):
    (model_dir / "config.json").write_text("{")
    with pytest.raises(DataError, match="config.json is not valid JSON"):
        load_policy(model_dir)


def test_a_tokenizer_without_an_end_token_is_refused(model, model_dir):
    tokenizer = load_tokenizer(model_dir)
    tokenizer.eos_token = None
    tokenizer.save_pretrained(model_dir)
    with pytest.raises(DataError, match="no end token"):
        load_policy(model_dir)


def test_code_in_a_model_directory_is_not_run(model_dir):
    config = (model_dir / "config.json").read_text()
    (model_dir / "config.json").write_text(
        config.replace('"model_type": "llama"', '"model_type": "own", "auto_map": {"AutoConfig": "own.Own"}')
    )
    (model_dir / "own.py").write_text("raise SystemExit('ran')")
    with pytest.raises(DataError, match=r"names code to run \(auto_map\)"):
        load_policy(model_dir)


def test_logits_that_are_scaled_after_the_head_are_refused(tokenizer, tmp_path):
    from transformers import Gemma2Config, Gemma2ForCausalLM

    config = Gemma2Config(
        vocab_size=len(tokenizer), hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=1,
        num_key_value_heads=1, head_dim=16, final_logit_softcapping=0.01,
    )  # fmt: skip
    torch.manual_seed(0)
    path = save(Gemma2ForCausalLM(config), tokenizer, tmp_path / "gemma")
    with pytest.raises(DataError, match="changes its logits after the output layer"):
        load_policy(path)


def test_another_architecture_loads_too(tokenizer, tmp_path):
    config = GPT2Config(vocab_size=len(tokenizer), n_embd=8, n_layer=1, n_head=1, n_positions=32)
    path = save(GPT2LMHeadModel(config), tokenizer, tmp_path / "gpt2")
    assert load_policy(path)[0].config.model_type == "gpt2"


def test_a_model_is_tried_in_its_own_precision_inside_a_computation_of_a_lower_one(model, model_dir):
    lowered: list[bool] = []
    model.get_decoder().register_forward_hook(lambda *_: lowered.append(torch.is_autocast_enabled("cpu")))
    with torch.autocast("cpu", torch.bfloat16):
        check_supported(model, model_dir)
    assert lowered and not any(lowered)


def test_models_that_read_text_differently_are_refused(tokenizer):
    same_vocabulary(tokenizer, tokenizer, "A and A")
    with pytest.raises(DataError, match="A and B have different tokenizers"):
        same_vocabulary(tokenizer, train_tokenizer(["other words entirely"] * 9, 290), "A and B")


def test_saving_again_replaces_the_whole_directory(model, tokenizer, model_dir):
    (model_dir / "stale.txt").write_text("old")
    save(model, tokenizer, model_dir)
    assert not (model_dir / "stale.txt").exists()
    assert (model_dir / "model.safetensors").exists()
