"""What must not be written down, taken out: personal data, and anything that looks like a key."""

from __future__ import annotations

import re
from typing import Any

from tunesmith.data.personal import SUSPECT
from tunesmith.data.redact import redact
from tunesmith.service.safety.texts import replaced

_WIDE = {wide: wide - 0xFEE0 for wide in range(0xFF01, 0xFF5F)} | {0x3000: 0x20}
_MAY_BE = re.compile(SUSPECT)
_SECRET = re.compile(
    r"(?i:bearer|basic)\s+(?=\S*\d)[\w.~+/=-]{12,}"
    r"|\beyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*)?"  # a JSON web token
    r"|\b(?:sk|pk|rk|ts|tsk|gh[opsu]|github_pat|glpat|xox[abprs]|hf)[-_][\w-]{16,}|\b(?:AKIA|ASIA|AIza)[\w-]{16,}"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)"
    r"|(?i:\b(?:password|passwd|pwd|secret|api[_-]?key|access[_-]?token)|密码|口令|密钥)\s*[:=：]\s*\S+",  # noqa: RUF001
    re.S | re.A,
)


def safe_text(text: str, *, personal: bool = True) -> str:
    """The text without keys and personal data, each replaced by its kind.

    Full-width digits and letters count as plain ones; where something is found they become plain.

    Args:
        text: any.
        personal: False leaves personal data where it is; keys go in any case.

    >>> safe_text("我的手机是１３８１２３４５６７８，密码：hunter2")
    '我的手机是[PHONE],[SECRET]'
    """
    plain = text if text.isascii() else text.translate(_WIDE)
    found = _SECRET.sub("[SECRET]", plain)
    if personal and _MAY_BE.search(found):
        found, _ = redact(found)
    return text if found == plain else found


def safe(value: Any, *, personal: bool = True) -> Any:
    """The same for every string in a JSON value."""
    return replaced(value, lambda text: safe_text(text, personal=personal))
