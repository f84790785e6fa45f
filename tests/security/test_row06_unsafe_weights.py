"""Row 6: weights are data. Pickles, code, settings that name code, and headers that lie are refused before use."""

from __future__ import annotations

import json
import pickle
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.release.versions import CONFIG, NOW, write
from tests.security.watching import touched
from tutelage.errors import DataError, UserError
from tutelage.files import sha256_of
from tutelage.models import untrusted
from tutelage.records import RegisteredModel
from tutelage.release import promotion
from tutelage.release.promotion import Order
from tutelage.store import Store, registry


class Bomb:
    """A pickle that creates a file when it is read."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.target,)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write(tmp_path / "model")


def test_a_directory_of_plain_data_passes(model: Path) -> None:
    for name in ("LICENSE.txt", "NOTICE", "README.md", "tokenizer.json", "chat_template.jinja"):
        (model / name).write_text("{}")
    (model / "adapter").mkdir()
    (model / "adapter" / "adapter_model.safetensors").write_bytes((model / "model.safetensors").read_bytes())
    untrusted.check(model)


@pytest.mark.parametrize(
    "name",
    ["pytorch_model.bin", "model.pt", "model.pth", "model.ckpt", "weights.pkl", "modeling_own.py", "a.so", "m.h5",
     "model.onnx", "sub/optimizer.pt", ".hidden.py", "setup.cfg", "x.pth", "Makefile"],
)  # fmt: skip
def test_other_kinds_of_files_are_refused_and_never_read(model: Path, tmp_path: Path, name: str) -> None:
    (model / name).parent.mkdir(exist_ok=True)
    (model / name).write_bytes(pickle.dumps(Bomb(tmp_path / "ran")))
    with touched() as found, pytest.raises(DataError, match="no kind of file that a model needs"):
        untrusted.check(model)
    assert not (tmp_path / "ran").exists()
    assert not [event for event in found if name.rpartition("/")[2] in event]


def test_a_pickle_under_another_name_is_no_weight_file(model: Path, tmp_path: Path) -> None:
    (model / "model.safetensors").write_bytes(pickle.dumps(Bomb(tmp_path / "ran")))
    with pytest.raises(DataError, match="no whole safetensors file"):
        untrusted.check(model)
    assert not (tmp_path / "ran").exists()


def test_links_out_of_the_directory_are_refused(model: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.json").write_text("{}")
    (model / "more.json").symlink_to(tmp_path / "secret.json")
    with pytest.raises(DataError, match="more.json .* link that leads out"):
        untrusted.check(model)


def file(header: object, data: bytes = b"\0" * 16, length: int | None = None) -> bytes:
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(raw) if length is None else length) + raw + data


def tensor(dtype: str = "F32", shape: Any = (2, 2), offsets: Any = (0, 16)) -> dict[str, Any]:
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


LIES: dict[str, bytes] = {
    "empty": b"",
    "short": b"\x10\0\0",
    "no header": file(b""),
    "longer than the file": file({"a": tensor()}, length=10_000),
    "a header of exabytes": file({"a": tensor()}, length=1 << 62),
    "negative as signed": file({"a": tensor()}, length=(1 << 64) - 8),
    "no JSON": file(b"{'a': 1}"),
    "a list": file([1, 2]),
    "nested without end": file(b"[" * 100_000),
    "not UTF-8": file(b'{"a\xff": 1}'),
    "an unknown kind": file({"a": tensor("OBJECT")}),
    "offsets beyond the end": file({"a": tensor(offsets=(0, 16)), "b": tensor(offsets=(16, 32))}),
    "offsets that overlap": file({"a": tensor(), "b": tensor(offsets=(8, 24))}, data=b"\0" * 24),
    "a hole": file({"a": tensor(), "b": tensor(offsets=(24, 40))}, data=b"\0" * 40),
    "backwards": file({"a": tensor(offsets=(16, 0))}),
    "negative offsets": file({"a": tensor(offsets=(-16, 0))}),
    "another size than the shape": file({"a": tensor(shape=(2, 3))}),
    "a shape that overflows": file({"a": tensor(shape=(1 << 40, 1 << 40))}),
    "a negative shape": file({"a": tensor(shape=(-2, -2))}),
    "data that nothing names": file({"a": tensor()}, data=b"\0" * 64),
    "metadata that is no text": file({"__metadata__": {"a": {"b": 1}}, "a": tensor()}),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_header_that_lies_is_refused(model: Path, lie: str) -> None:
    (model / "model.safetensors").write_bytes(LIES[lie])
    with pytest.raises(DataError, match="no whole safetensors file"):
        untrusted.check(model)


def test_the_header_that_does_not_lie_passes(model: Path) -> None:
    (model / "model.safetensors").write_bytes(file({"a": tensor(), "__metadata__": {"format": "pt"}}))
    untrusted.check(model)


@given(st.binary(max_size=80), st.integers(0, 40))
def test_bytes_that_are_changed_are_refused_or_still_a_header(tmp_path_factory: Any, noise: bytes, place: int) -> None:
    path = tmp_path_factory.getbasetemp() / "noise.safetensors"
    good = file({"a": tensor()})
    path.write_bytes(good[:place] + noise + good[place + len(noise) :])
    try:
        untrusted.check_header(path)
    except UserError as error:
        assert "no whole safetensors file" in str(error)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"auto_map": {"AutoConfig": "own.Own"}}, "names code to run .auto_map."),
        ({"text_config": {"auto_map": {"AutoModel": "org/name--own.Own"}}}, "auto_map"),
        ({"list": [{"trust_remote_code": True}]}, "trust_remote_code"),
        ({"_attn_implementation": "org/kernel"}, "'org/kernel'.*name no place"),
        ({"attn_implementation": "org/kernel@main:attention"}, "name no place"),
        ({"deep": [[{"er": "https://example.org/x"}]]}, "name no place"),
        ({"tokenizer_file": "../../etc/passwd"}, "name no place"),
        ({"model_type": "~/x"}, "name no place"),
        ([1, 2], "no settings by name"),
        ("{", "not valid JSON"),
    ],
)
def test_settings_that_name_code_or_a_place_are_refused(model: Path, settings: Any, told: str) -> None:
    text = settings if isinstance(settings, str) else json.dumps(
        settings if isinstance(settings, list) else CONFIG | settings
    )  # fmt: skip
    (model / "config.json").write_text(text)
    with pytest.raises(DataError, match=told):
        untrusted.check(model)


def test_settings_as_libraries_write_them_pass(model: Path) -> None:
    usual = {
        "architectures": ["LlamaForCausalLM"], "torch_dtype": "bfloat16", "transformers_version": "5.23.0.dev0",
        "rope_scaling": {"rope_type": "llama3", "factor": 8.0}, "layer_types": ["full_attention"], "pad_token_id": None,
        "task_specific_params": {"summarization": {"prefix": "summarize: "}}, "_attn_implementation": "sdpa",
        "trust_remote_code": False, "auto_map": None,
        "id2label": {"0": "hate/threatening"}, "_name_or_path": "/somewhere/else",
    }  # fmt: skip
    (model / "config.json").write_text(json.dumps(usual))
    (model / "tokenizer_config.json").write_text(json.dumps({"chat_template": "{{ a/b }}", "pad_token": "</s>"}))
    untrusted.check(model)
    (model / "tokenizer_config.json").write_text(json.dumps({"auto_map": {"AutoTokenizer": ["own.Own", None]}}))
    with pytest.raises(DataError, match="auto_map"):
        untrusted.check(model)


def test_settings_of_any_size_are_refused(model: Path) -> None:
    (model / "config.json").write_text(json.dumps(CONFIG | {"x": "a" * untrusted.MOST_SETTINGS_BYTES}))
    with pytest.raises(DataError, match="which no settings have"):
        untrusted.check(model)


def swapped(model: Path) -> None:
    (model / "model.safetensors").write_bytes(file({"a": tensor()}, data=b"\1" * 16))


def added(model: Path) -> None:
    (model / "more.json").write_text("{}")


def removed(model: Path) -> None:
    (model / "config.json").unlink()


def renamed(model: Path) -> None:
    (model / "model.safetensors").rename(model / "other.safetensors")


def coded(model: Path) -> None:
    (model / "modeling.py").write_text("raise SystemExit('ran')")


@pytest.mark.parametrize("change", [swapped, added, removed, renamed, coded], ids=lambda change: change.__name__)
def test_files_that_are_not_those_registered_are_never_promoted(
    model: Path, tmp_path: Path, change: Callable[[Path], None]
) -> None:
    with Store.open(str(tmp_path / "s.db")) as store:
        new = RegisteredModel(name="m", version=0, path=str(model), sha256=sha256_of(model), run="r")
        registry.register(store, new, prompt_hashes=(), now=NOW)
        change(model)
        with pytest.raises(DataError, match="not those that were registered|no kind of file"):
            promotion.promote(store, "m@1", Order(alias="a", is_ungated=True, reason="r"), now=NOW)
        assert registry.pointed(store) == {}
