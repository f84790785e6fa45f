"""A program that calls the API with a person's token, in the process."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Self

from fastapi import FastAPI
from fastapi.testclient import TestClient
from httpx2 import BaseTransport, Request, Response

from tests.feedback.people import someone
from tests.labeling import Clock
from tutelage.feedback.client import Client
from tutelage.store import tokens
from tutelage.store.accounts import Person, Role

KEY = "0b6f5f0e-9d2b-4f0e-8a3c-00000000000"


def key(number: int = 0) -> str:
    return f"{KEY}{number}"


class InProcess(BaseTransport):
    """What the Python client sends through: the application itself."""

    def __init__(self, client: TestClient) -> None:
        self._client = client

    def handle_request(self, request: Request) -> Response:
        answer = self._client.send(request)
        return Response(answer.status_code, headers=answer.headers, content=answer.content)


@dataclass
class Caller:
    """Somebody's program; `client` knows nothing but the application."""

    client: TestClient
    person: Person
    token: str

    @classmethod
    def of(cls, app: FastAPI, clock: Clock, role: Role, name: str = "", group: str = "") -> Self:
        store = app.state.site.store
        person = someone(store, role, name, group)
        token = tokens.make(store, person.id, "a program", days=30, now=clock.now)
        return cls(TestClient(app, base_url="http://desk.example"), person, token)

    @property
    def python(self) -> Client:
        """Return the Python client with this person's token."""
        return Client("http://desk.example", self.token, transport=InProcess(self.client))

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Response:
        given = {"authorization": f"Bearer {self.token}", "content-type": "application/json", **headers}
        content = None if body is None else json.dumps(body)
        return self.client.request(method, f"/api/v1{path}", content=content, headers=given)

    def get(self, path: str, status: int = 200) -> Any:
        return self._json(self.ask("GET", path), status)

    def put(self, path: str, body: Any = None, status: int = 200) -> Any:
        return self._json(self.ask("PUT", path, body), status)

    def post(self, path: str, body: Any = None, status: int = 200) -> Any:
        return self._json(self.ask("POST", path, body), status)

    def delete(self, path: str, status: int = 204) -> Any:
        return self._json(self.ask("DELETE", path), status)

    def take(self, kind: str) -> dict[str, Any]:
        """Take work, after reading its instructions where that is asked for."""
        answer = self.ask("POST", "/work", {"kind": kind})
        if answer.status_code == 409 and answer.json()["error"]["code"] == "instructions_unread":
            for one in self.get("/instructions"):
                self.put(f"/instructions/{one['version']}/read", status=204)
            answer = self.ask("POST", "/work", {"kind": kind})
        found: dict[str, Any] = self._json(answer, 200)
        return found

    @staticmethod
    def _json(answer: Response, status: int) -> Any:
        assert answer.status_code == status, answer.text
        return answer.json() if answer.content else None
