"""A judge behind a URL that speaks OpenAI's chat completions; its key is read from the environment, and never shown."""

from __future__ import annotations

import json
import os
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

from tunesmith.core.errors import RecipeError, TunesmithError
from tunesmith.evaluation.judges.rubric import asked, score_in

HERE = ("localhost", "127.0.0.1", "::1")
_TRIES = 4
_LONGEST_WAIT = 30.0
_BUSY = frozenset({408, 409, 429, 500, 502, 503, 504})
_MOST = 1 << 20
"""Bytes of a reply that are read."""
_TOKENS = 1024
"""Of a reply at most: models that think do so before the score."""
_SHOWN = 200
"""Characters of a refusal that are told."""


class JudgeError(TunesmithError):
    """A judge cannot be asked."""


class _Declined(JudgeError):
    """The service does not take the request as it stands (400)."""


class HttpJudge:
    """Scores answers through ``POST URL/chat/completions``.

    Args:
        url: up to and with ``/v1``.
        model: as the service calls it.
        key: name of the environment variable that holds the key; "": none is sent.
        criterion: what is judged, in words.
        timeout: seconds for one reply.
        at_once: requests at a time.

    Raises:
        RecipeError: the URL or the key cannot be used.
    """

    def __init__(
        self, url: str, model: str, key: str = "", criterion: str = "", timeout: float = 60.0, at_once: int = 4
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query:
            raise RecipeError(
                "The judge's URL must look like https://HOST/v1, without a user, a password or a query.",
                "Put the key into an environment variable: key=NAME",
            )
        self.name = f"{model or 'a model'} at {parts.hostname}"
        self._secret = _secret(key)
        if self._secret and parts.scheme == "http" and parts.hostname not in HERE:
            raise RecipeError(
                f"The judge's URL is http://{parts.hostname}: anybody on the way could read the key.", "Use https."
            )
        self._url = url.rstrip("/").removesuffix("/chat/completions") + "/chat/completions"
        self._model, self._criterion, self._timeout, self._at_once = model, criterion, timeout, at_once
        self._opener = urllib.request.build_opener(_NoRedirect)
        self._reasons = False  # whether it takes only the settings of models that reason

    def __call__(self, pairs: Sequence[tuple[str, str]]) -> list[float | None]:
        """A score for each question and answer, None where the reply tells none.

        Raises:
            JudgeError: the service refuses, or does not answer.
        """
        with ThreadPoolExecutor(self._at_once) as pool:
            return list(pool.map(self._score, pairs))

    def _score(self, pair: tuple[str, str]) -> float | None:
        message = {"role": "user", "content": asked(*pair, self._criterion)}
        reply = self._reply({"model": self._model, "messages": [message]})
        try:
            found = json.loads(reply)["choices"][0]["message"]["content"]
        except (ValueError, KeyError, IndexError, TypeError) as error:
            raise JudgeError(f"The judge {self.name} did not reply as a chat service does.", "Check by=URL.") from error
        return score_in(str(found))

    def _reply(self, body: dict[str, Any]) -> bytes:
        """What it says; models that reason (GPT-5) refuse a temperature and ``max_tokens``."""
        if not self._reasons:
            try:
                return self._posted(json.dumps({**body, "temperature": 0, "max_tokens": _TOKENS}).encode())
            except _Declined:
                pass
        found = self._posted(json.dumps({**body, "max_completion_tokens": _TOKENS}).encode())
        self._reasons = True
        return found

    def _posted(self, body: bytes) -> bytes:
        headers = {"Content-Type": "application/json"}
        if self._secret:
            headers["Authorization"] = f"Bearer {self._secret}"
        why, status = "", 0
        for number in range(_TRIES):
            request = urllib.request.Request(self._url, body, headers)
            try:
                with self._opener.open(request, timeout=self._timeout) as reply:
                    return bytes(reply.read(_MOST))
            except urllib.error.HTTPError as error:
                why, status = f"status {error.code}{self._words(error)}", error.code
                error.close()
                if error.code not in _BUSY:
                    break
                wait = _seconds(error.headers.get("Retry-After"), number)
            except (urllib.error.URLError, OSError) as error:
                why, status = type(getattr(error, "reason", error)).__name__, 0
                wait = _seconds(None, number)
            if number + 1 < _TRIES:
                time.sleep(wait)
        kind = _Declined if status == 400 else JudgeError
        raise kind(f"The judge {self.name} cannot be asked: {why}.", "Check by=URL, model and key.")

    def _words(self, error: urllib.error.HTTPError) -> str:
        """The beginning of what a refusal says, without the key."""
        try:
            said = error.read(_MOST).decode("utf-8", "replace")
        except OSError:
            return ""
        plain = " ".join((said.replace(self._secret, "***") if self._secret else said).split())[:_SHOWN]
        return f", {plain}" if plain.strip("{} ") else ""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect would carry the key to another host."""

    def redirect_request(self, *_: Any) -> None:
        """None is followed."""
        return


def _secret(key: str) -> str:
    if not key:
        return ""
    secret = os.environ.get(key, "").strip()
    if not secret:
        raise RecipeError(
            f"The judge's key is to be in the environment variable {key[:40]}, which is not set.", "Set it."
        )
    return secret


def _seconds(told: str | None, number: int) -> float:
    try:
        asked_for = float(told or 0)
    except ValueError:
        asked_for = 0.0
    return min(_LONGEST_WAIT, max(asked_for, 0.25 * float(2**number)))
