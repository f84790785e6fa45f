"""Models of the hub: one commit's safetensors and tokenizer arrive, and nothing else is asked for."""

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import torch

from tests.checkpoints import write
from tutelage.errors import MissingError, UnavailableError
from tutelage.models.fetch import add, is_on_hub
from tutelage.models.load import load_policy
from tutelage.models.papers import card

COMMIT = "a" * 40
EXTRA = {
    "LICENSE": b"You may.",
    "README.md": b"# A model",
    "pytorch_model.bin": b"\x80pickle",
    "modeling_own.py": b"raise SystemExit",
    "original/consolidated.safetensors": b"the same again",
}


class Hub(BaseHTTPRequestHandler):
    """The three questions that the hub's own client asks: what is there, which files, and each file."""

    def answer(self, status, body, **headers):
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def do_GET(self):
        files, path = self.server.files, self.path.partition("?")[0]
        if "small" not in path:
            return self.answer(404, b"{}", X_Error_Code="RepoNotFound")
        if path.startswith("/api/models/org/small/tree/"):
            tree = [
                {"type": "file", "path": name, "size": len(body), "oid": hashlib.sha1(body).hexdigest()}
                for name, body in files.items()
            ]
            return self.answer(200, json.dumps(tree).encode(), Content_Type="application/json")
        if path.startswith("/api/models/"):
            about = {
                **{"id": "org/small", "sha": COMMIT, "cardData": {"license": "apache-2.0"}},
                "siblings": [{"rfilename": name} for name in files],
            }
            return self.answer(200, json.dumps(about).encode(), Content_Type="application/json")
        name = path.removeprefix(f"/org/small/resolve/{COMMIT}/")
        self.server.asked.add(name)
        body = files[name]
        return self.answer(200, body, ETag=f'"{hashlib.sha1(body).hexdigest()}"', X_Repo_Commit=COMMIT)

    do_HEAD = do_GET

    def log_message(self, *_):
        pass


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A hub on this machine with one model."""
    source = write("qwen2", tmp_path / "source")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    server.files = {path.name: path.read_bytes() for path in source.iterdir()} | EXTRA
    server.asked = set()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.chdir(tmp_path)
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_model_of_the_hub_is_what_its_files_are(hub, tmp_path):
    added = add("org/small", "small", tmp_path / "models")
    ours, theirs = load_policy(added)[0].state_dict(), load_policy(tmp_path / "source")[0].state_dict()
    assert ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert not hub.asked & {"README.md", "pytorch_model.bin", "modeling_own.py", "original/consolidated.safetensors"}
    assert (added / "LICENSE").read_bytes() == b"You may."
    told = card(added)
    assert (told["source"], told["licence"], told["commit"]) == ("org/small", "apache-2.0", COMMIT)
    assert add("org/small", "small", tmp_path / "models") == added


def test_a_model_that_has_only_pickles_is_refused_before_anything_is_fetched(hub, tmp_path):
    del hub.files["model.safetensors"]
    with pytest.raises(MissingError, match=r"org/small has no \.safetensors file on the hub, and only such files"):
        add("org/small", "small", tmp_path / "models")
    assert not hub.asked
    assert not (tmp_path / "models").exists()


def test_a_file_that_arrives_broken_is_told_by_the_name_of_the_model(hub, tmp_path):
    hub.files["config.json"] = b"{"
    with pytest.raises(Exception, match="^org/small/config.json is not valid JSON"):
        add("org/small", "small", tmp_path / "models")
    assert not (tmp_path / "models").exists()


def test_a_model_that_nobody_has_is_told(hub, tmp_path):
    with pytest.raises(MissingError, match="no directory org/large here, and the hub shows no model of that name"):
        add("org/large", "large", tmp_path / "models")


def test_without_a_network_a_sentence_says_so(hub, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(UnavailableError, match="no directory org/small here, and the hub could not be asked for it"):
        add("org/small", "small", tmp_path / "models")
    assert not (tmp_path / "models").exists()


def test_a_directory_comes_before_the_hub(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert is_on_hub("org/small")
    (tmp_path / "org" / "small").mkdir(parents=True)
    assert not is_on_hub("org/small")
    assert not is_on_hub("runs/ppo/model")
    assert not is_on_hub("/org/small")
