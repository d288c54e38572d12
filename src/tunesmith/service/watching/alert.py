"""Something that a person should know, told once in a while and not again and again."""

from __future__ import annotations

import http.client
import json
import logging
import os
import smtplib
import ssl
import time
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import Any

from tunesmith.core.errors import RecipeError
from tunesmith.service.drain import Drain
from tunesmith.service.watching.settings import Alerts, Email

log = logging.getLogger(__name__)

SECONDS = 10.0
"""That a receiver has to take an alert."""
TRIES = 3
IMPLICIT = 465
"""The port on which mail is TLS from the first byte on (RFC 8314)."""


@dataclass(frozen=True)
class Alert:
    """What is wrong.

    Args:
        name: "drift", "errors", "waiting", "abstained" ...
        product: about which.
        version: of it.
        words: a sentence.
        facts: figures, as JSON values; no text of anybody's.
    """

    name: str
    product: str
    version: str
    words: str
    facts: Mapping[str, Any] = field(default_factory=dict)


Send = Callable[[dict[str, Any]], None]
Key = tuple[str, str, str]
"""Alert, product, version."""


class Teller:
    """Sends alerts, each at most once in the cool-down; a receiver that fails is tried again, and no request waits.

    Whom it could not be told is told when the same is wrong again, cool-down or not; others are not told twice.

    Args:
        settings: whom, and how often.
        clock: seconds since 1970.
        sends: instead of the settings' webhook and e-mail.
    """

    def __init__(
        self, settings: Alerts, *, clock: Callable[[], float] = time.time, sends: list[Send] | None = None
    ) -> None:
        self._settings, self._clock = settings, clock
        self._sends = senders(settings) if sends is None else sends
        self._last: dict[Key, float] = {}
        self._owed: dict[Key, list[Send]] = {}
        self._drain: Drain[tuple[Key, dict[str, Any], list[Send]]] = Drain(self._send, "alerts", most=1_000)
        self.pause = 1.0
        """Seconds between two tries."""

    def __call__(self, alert: Alert) -> None:
        """Tell it, unless it was told a moment ago."""
        key, now = (alert.name, alert.product, alert.version), self._clock()
        owed = self._owed.pop(key, [])
        told_lately = now - self._last.get(key, float("-inf")) < self._settings.cooldown
        if told_lately and not owed:
            return
        if not told_lately:
            self._last[key] = now
            log.warning("%s: %s", alert.name, alert.words)
        told = {
            "alert": alert.name, "product": alert.product, "version": alert.version, "words": alert.words,
            "at": round(now, 3), **alert.facts,
        }  # fmt: skip
        self._drain.put((key, told, owed if told_lately else self._sends))

    def flush(self, timeout: float = 30.0) -> None:
        """Wait until all is sent."""
        self._drain.flush(timeout)

    def close(self) -> None:
        """Send what waits, and end."""
        self._drain.close()

    def _send(self, some: list[tuple[Key, dict[str, Any], list[Send]]]) -> None:
        for key, told, sends in some:
            if failed := [send for send in sends if not self._tried(send, told)]:
                self._owed[key] = failed

    def _tried(self, send: Send, told: dict[str, Any]) -> bool:
        for left in reversed(range(TRIES)):
            try:
                send(told)
                return True
            except (OSError, smtplib.SMTPException, http.client.HTTPException) as error:
                if not left:
                    log.error("the alert %s could not be sent: %s", told["alert"], error)
                else:
                    time.sleep(self.pause)
        return False


def senders(settings: Alerts) -> list[Send]:
    """What the settings name.

    Raises:
        RecipeError: a mail server wants a password, and none is in the environment.
    """
    made: list[Send] = []
    if settings.webhook is not None:
        made.append(webhook(settings.webhook))
    if settings.email is not None:
        made.append(by_mail(settings.email))
    return made


def webhook(url: str) -> Send:
    """Posts an alert as JSON. What answers with an error, or leads elsewhere, has not taken it."""
    opener = urllib.request.build_opener(_NoRedirect)

    def send(told: dict[str, Any]) -> None:
        body = json.dumps(told, ensure_ascii=False).encode("utf-8")
        request = urllib.request.Request(url, body, {"content-type": "application/json"}, method="POST")
        with opener.open(request, timeout=SECONDS):
            pass

    return send


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Where an alert goes is in the settings, and nowhere else."""

    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None


def _connected(settings: Email) -> smtplib.SMTP:
    where = (settings.server, settings.port)
    if settings.tls == "implicit" or settings.port == IMPLICIT:
        return smtplib.SMTP_SSL(*where, timeout=SECONDS, context=ssl.create_default_context())
    return smtplib.SMTP(*where, timeout=SECONDS)


def by_mail(settings: Email) -> Send:
    """Sends an alert as a plain text."""
    password = os.environ.get(settings.password, "")
    if settings.user and not password:
        raise RecipeError(
            f"watch.alerts.email.user is {settings.user}, and the environment has no {settings.password}.",
            f"Set {settings.password}, or leave the user out.",
        )

    def send(told: dict[str, Any]) -> None:
        letter = EmailMessage()
        letter["Subject"] = f"[tunesmith] {told['alert']}: {told['product']} {told['version']}"
        letter["From"], letter["To"] = settings.sender, ", ".join(settings.to)
        letter.set_content(told["words"] + "\n\n" + json.dumps(told, ensure_ascii=False, indent=1) + "\n")
        with _connected(settings) as server:
            if not isinstance(server, smtplib.SMTP_SSL) and (settings.tls or settings.user):
                server.starttls(context=ssl.create_default_context())
            if settings.user:
                server.login(settings.user, password)
            server.send_message(letter)

    return send
