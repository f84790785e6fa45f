"""OpenAI's moderation endpoint, or one like it, as a classifier."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping, Sequence
from typing import Any, Self
from urllib.parse import urlsplit

import httpx2

from tutelage.errors import SettingsError, UnavailableError
from tutelage.safety.categories import BY_NAME

#: The environment variable that holds the endpoint's key.
KEY_VARIABLE = "TUTELAGE_MODERATION_KEY"
#: Most texts of one call.
MOST_TEXTS = 32


class EndpointClassifier:
    """Asks `POST URL` with the texts; `labels` maps names that are not ours. No redirect is followed."""

    def __init__(
        self,
        url: str,
        labels: Mapping[str, str],
        *,
        transport: httpx2.AsyncBaseTransport | None = None,
        timeout: float = 10.0,
    ) -> None:
        self.url, self.labels = url, labels
        check_address(url)
        key = os.environ.get(KEY_VARIABLE, "")
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._client = httpx2.AsyncClient(
            headers=headers, transport=transport, timeout=timeout, follow_redirects=False, trust_env=False
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Be ready: nothing is kept running for it here."""

    @property
    def is_ready(self) -> bool:
        """Say that it can be asked; whether it answers shows when it is."""
        return True

    async def stop(self) -> None:
        """Let go of the connections."""
        await self._client.aclose()

    async def classify(self, texts: Sequence[str]) -> list[Mapping[str, float]]:
        """Return the scores of the categories that we have too; raise UnavailableError for anything but an answer."""
        found: list[Mapping[str, float]] = []
        for start in range(0, len(texts), MOST_TEXTS):
            found += await self._asked(list(texts[start : start + MOST_TEXTS]))
        return found

    async def _asked(self, texts: list[str]) -> list[Mapping[str, float]]:
        try:
            response = await self._client.post(self.url, json={"input": texts})
        except httpx2.TransportError as error:
            raise UnavailableError(f"The moderation endpoint at {self.url} cannot be reached.") from error
        if response.status_code != 200:
            raise UnavailableError(f"The moderation endpoint at {self.url} answers {response.status_code}.")
        try:
            results = response.json()["results"]
            scores = [self._ours(one["category_scores"]) for one in results]
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise UnavailableError(f"The moderation endpoint at {self.url} answers in another shape.") from error
        if len(scores) != len(texts) or not all(scores):
            raise UnavailableError(f"The moderation endpoint at {self.url} leaves texts without scores.")
        return scores

    def _ours(self, scores: Mapping[str, Any]) -> Mapping[str, float]:
        named = ((self.labels.get(name, name), score) for name, score in scores.items())
        return {name: float(score) for name, score in named if name in BY_NAME and score is not None}


def check_address(url: str) -> None:
    """Refuse an address that would carry customers' texts in the clear."""
    parts = urlsplit(url)
    if parts.scheme == "https" and parts.hostname:
        return
    if parts.scheme == "http" and parts.hostname and _is_loopback(parts.hostname):
        return
    raise SettingsError(f"The classifier's address is {url!r}; give https://..., or http:// on this machine.")


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
