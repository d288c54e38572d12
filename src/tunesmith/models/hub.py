"""The Hugging Face hub and its local cache. Both may be out of reach, which is a normal state and shown quickly."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from tunesmith.models.folder import complete, model_files, refuse_unsafe

if TYPE_CHECKING:
    from huggingface_hub import ModelInfo

TIMEOUT_SECONDS = 5.0
"""How long the hub may take for its first answer before it counts as out of reach."""

_OFFLINE = "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"
_NOT_CACHED = "the local Hugging Face cache has no whole copy with safetensors weights"


class OutOfReach(Exception):
    """Why the hub does not give a model: half a sentence, for the caller's error."""


def offline() -> bool:
    """Whether the user has ruled the network out (``HF_HUB_OFFLINE``)."""
    return any(os.environ.get(name, "").strip().upper() in {"1", "ON", "YES", "TRUE"} for name in _OFFLINE)


def cached(hub_id: str, revision: str | None = None) -> Path | None:
    """A whole snapshot in the local Hugging Face cache, or None. Never asks the network."""
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    # Not snapshot_download(local_files_only=True): it wants every file of the repository, and we leave some out.
    try:
        config = try_to_load_from_cache(hub_id, "config.json", revision=revision)
    except HFValidationError:
        return None
    folder = Path(config).parent if isinstance(config, str) else None
    return folder if folder and complete(folder) else None


def download(hub_id: str, revision: str | None = None, *, code: bool = False) -> Path:
    """Bring a model's safe files into the local Hugging Face cache.

    Its Python files are left out unless ``code`` asks for them.

    Raises:
        OutOfReach: no network, no such model, or no access to it.
        ModelError: it has no weights that are safe to read.
    """
    from huggingface_hub import snapshot_download

    if offline():
        raise OutOfReach(f"{_NOT_CACHED}, and HF_HUB_OFFLINE is set")
    info = _info(hub_id, revision)
    names = [file.rfilename for file in info.siblings or []]
    refuse_unsafe(f'The hub\'s model "{hub_id}"', names)
    wanted = model_files(names, code=code)
    try:
        # By the name asked for, not by info.sha: only then does the cache know the name without a network.
        return Path(snapshot_download(hub_id, revision=revision, allow_patterns=wanted, etag_timeout=TIMEOUT_SECONDS))
    except Exception as error:  # the client's errors have no common family
        raise OutOfReach(f"its download was cut off ({_brief(error)})") from error


def _info(hub_id: str, revision: str | None) -> ModelInfo:
    from huggingface_hub import HfApi, errors

    try:
        return HfApi().model_info(hub_id, revision=revision, timeout=TIMEOUT_SECONDS)
    except errors.GatedRepoError as error:
        raise OutOfReach("its owner asks for terms to be accepted; do so, then run: hf auth login") from error
    except errors.RevisionNotFoundError as error:
        raise OutOfReach(f'it has no revision "{revision}"') from error
    except errors.RepositoryNotFoundError as error:
        raise OutOfReach("the hub has no such model, or it is private; for a private one run: hf auth login") from error
    except errors.HFValidationError as error:
        raise OutOfReach("it is no hub id (owner/name)") from error
    except Exception as error:  # the client's network errors have no common family
        raise OutOfReach(f"{_NOT_CACHED}, and the hub is out of reach ({_brief(error)})") from error


def _brief(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return (lines[0] if lines else type(error).__name__)[:120]
