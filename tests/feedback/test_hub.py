"""One file of a data set on a hub: a small server speaks as the hub does, and one that is not there is told."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tutelage.errors import MissingError, SettingsError, UnavailableError
from tutelage.feedback import hub

COMMIT, CONTENT = "1" * 40, b'{"prompt": "p", "chosen": "a", "rejected": "b"}\n'
FILES = ["README.md", "test/pairs.jsonl", "train/pairs.jsonl"]


class Hub(BaseHTTPRequestHandler):
    """What a hub answers about one data set of three files."""

    def do_GET(self) -> None:
        if self.path.startswith("/api/datasets/ann/pairs"):
            about = {"id": "ann/pairs", "sha": COMMIT, "siblings": [{"rfilename": name} for name in FILES]}
            self.answer(json.dumps(about).encode(), {"Content-Type": "application/json"})
        elif self.path == f"/datasets/ann/pairs/resolve/{COMMIT}/test/pairs.jsonl":
            tag = hashlib.sha256(CONTENT).hexdigest()
            self.answer(CONTENT, {"ETag": f'"{tag}"', "X-Repo-Commit": COMMIT})
        else:
            self.answer(b"", {"X-Error-Code": "RepoNotFound"}, 404)

    do_HEAD = do_GET

    def answer(self, content: bytes, headers: dict[str, str], status: int = 200) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    def log_message(self, format: str, *values: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Hub) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
        yield
        server.shutdown()


def test_one_file_is_downloaded_at_the_commit_that_is_told(server: None) -> None:
    with hub.local("hub:ann/pairs/test/pairs.jsonl") as (path, origin):
        assert path.read_bytes() == CONTENT
        assert path.name == "pairs.jsonl"
        assert origin == f"hub:ann/pairs/test/pairs.jsonl@{COMMIT}"
    assert not path.exists()


def test_what_is_not_there_is_told(server: None) -> None:
    with (
        pytest.raises(MissingError, match="another slash: test/pairs.jsonl, train/pairs.jsonl."),
        hub.local("hub:ann/pairs"),
    ):
        pass
    with pytest.raises(MissingError, match="The hub has no data set ann/none"), hub.local("hub:ann/none/x"):
        pass
    with pytest.raises(SettingsError, match="hub:OWNER/NAME/FILE"), hub.local("hub:pairs"):
        pass
    with pytest.raises(SettingsError, match="no name of a data set"), hub.local("hub:-a/b--c/x"):
        pass


def test_a_hub_that_cannot_be_reached_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with (
        pytest.raises(UnavailableError, match=r"The hub cannot be reached \(.*\); try again, or download the file"),
        hub.local("hub:ann/pairs/x.jsonl"),
    ):
        pass
