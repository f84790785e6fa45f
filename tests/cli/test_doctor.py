"""`tutelage doctor`: what it finds and what it says to mend."""

from __future__ import annotations

import socket
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from sqlalchemy import text
from typer.testing import CliRunner, Result

from tests.firms import Firm
from tests.generate.tiny import make_directory
from tests.serve.server import register
from tutelage.cli import app
from tutelage.cli import doctor as command
from tutelage.store import Store, keys


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Work in an empty folder, and look at no port that another program of this machine may use."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(command, "PORTS", ())


def doctor(*arguments: str, **environment: str) -> Result:
    return CliRunner().invoke(app, ["doctor", *arguments], env=environment)


def found(done: Result) -> dict[str, tuple[str, str]]:
    rows = (line.split("\t") for line in done.stdout.splitlines()[1:])
    return {thing: (seen, remedy) for thing, seen, remedy in rows}


def test_doctor_finds_a_database_that_answers(tmp_path: Path) -> None:
    (tmp_path / "empty.db").touch()
    done = doctor("--database", f"sqlite:///{tmp_path / 'empty.db'}", OMP_NUM_THREADS="1", CHROMIUM="")
    rows = found(done)
    assert list(rows) == ["python", "torch", "packages", "threads", "disk", "runs", "chromium", "database", "clock"]
    assert rows["database"] == ("sqlite answers, empty", "") and rows["runs"] == ("runs can be written", "")
    assert rows["packages"][0].endswith("as asked for") and rows["clock"][1] == ""


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("sqlite:////no/such/folder/x.db", "the folder /no/such/folder does not exist; create it"),
        ("mysql://host/db", "write sqlite:///FILE or postgresql://"),
        ("postgresql://127.0.0.1:1/none", "check that it is"),
    ],
)
def test_doctor_tells_what_to_mend(url: str, told: str) -> None:
    done = doctor(TUTELAGE_DATABASE=url, CHROMIUM="/no/such/browser", OMP_NUM_THREADS="100000")
    assert done.exit_code == 1
    assert told in found(done)["database"][1]
    assert "Let CHROMIUM name a program" in done.stdout
    assert "Set OMP_NUM_THREADS to" in done.stdout


def test_doctor_makes_no_database_and_no_folder(tmp_path: Path) -> None:
    done = doctor("--database", str(tmp_path / "new.db"), "--root", str(tmp_path / "a" / "runs"))
    assert "is made when it is first used" in done.stdout
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").touch()
    done = doctor("--root", str(tmp_path / "file" / "runs"))
    assert done.exit_code == 1 and found(done)["runs"] == (
        f"{tmp_path / 'file'} cannot be written", "Change its owner, or name another folder with --root."
    )  # fmt: skip


def test_the_revision_the_keys_secret_and_the_clock_are_those_of_the_database(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 's.db'}"
    with Store.open(url) as store:
        assert found(doctor("--database", url))["key secret"] == ("no keys yet", "")
        firm = Firm.of(store)
        firm.key()
        # The newest event is of a time that this machine's clock has not reached.
        ahead = datetime.now(UTC) + timedelta(days=1)
        keys.revoke(store, firm.key().key.id, by=firm.customer, now=ahead)
    rows = found(doctor("--database", url))
    assert rows["key secret"] == ("the one that the keys were made with", "")
    assert "behind the database" in rows["clock"][0] and "NTP" in rows["clock"][1]
    (tmp_path / "s.db.pepper").rename(tmp_path / "away")
    assert "from a backup" in found(doctor("--database", url))["key secret"][1]
    assert not (tmp_path / "s.db.pepper").exists()
    (tmp_path / "s.db.pepper").write_text("another secret that is long enough")
    assert "made with another secret" in found(doctor("--database", url))["key secret"][1]
    for number, told in [("9999", "Update tutelage."), ("0001", "run `tutelage db upgrade`")]:
        with Store.awaited(url) as store, store.engine.begin() as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = :number"), {"number": number})
        done = doctor("--database", url)
        assert told in found(done)["database"][1] and done.exit_code == 1


def test_the_engine_of_the_default_model_is_started(tmp_path: Path) -> None:
    url, model = f"sqlite:///{tmp_path / 's.db'}", make_directory(tmp_path / "tiny")
    register(url, "tiny", model, "default")
    assert found(doctor("--database", url))["engine"] == ("starts, with a context of 96 tokens", "")
    (model / "config.json").write_text("{}")
    assert found(doctor("--database", url, "--no-engine"))["engine"] == ("not started", "")
    seen, remedy = found(doctor("--database", url))["engine"]
    assert seen == "does not start" and remedy


def test_a_port_is_free_ours_or_another_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    class Gateway(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = b'{"status":"ok"}'
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Gateway) as ours, HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as other:
        threads = [threading.Thread(target=server.serve_forever) for server in (ours, other)]
        for thread in threads:
            thread.start()
        with socket.create_server(("127.0.0.1", 0)) as bound:
            free = bound.getsockname()[1]
        monkeypatch.setattr(command, "PORTS", (ours.server_port, other.server_port, free))
        rows = found(doctor())
        for server in (ours, other):
            server.shutdown()
    assert rows[f"port {ours.server_port}"] == ("a server of this program answers", "")
    assert "another --port" in rows[f"port {other.server_port}"][1]
    assert rows[f"port {free}"] == ("free", "")
