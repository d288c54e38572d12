"""A model's tokenizer and configuration, as its folder gives them. Its weights and head: ``models/heads``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tunesmith.core.errors import ModelError
from tunesmith.core.registry import load_object
from tunesmith.models.reference import ModelReference

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedTokenizerBase


def auto_class(name: str) -> Any:
    """What makes a task's model of a folder: an auto class of transformers, or ``"module:attribute"`` like one."""
    import transformers

    return load_object(name) if ":" in name else getattr(transformers, name)


@contextmanager
def quiet() -> Iterator[None]:
    """Transformers without its load report, its warnings about a fresh head, and its bars; as before on leaving."""
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()  # type: ignore[no-untyped-call]


def load_processor(reference: ModelReference) -> PreTrainedTokenizerBase:
    """The fast tokenizer, without the truncation and padding that some folders have switched on.

    Raises:
        ModelError: the folder has no tokenizer, or one that is not fast (offsets and windows need it).
    """
    from transformers import AutoTokenizer

    try:
        with quiet():
            processor: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(
                reference.tokenizer or reference.path,
                use_fast=True,
                trust_remote_code=reference.trust_remote_code,
                local_files_only=True,
            )
    except Exception as error:  # a broken tokenizer raises whatever its parser does
        raise _unreadable(reference, "tokenizer", error) from error
    if not processor.is_fast:
        raise ModelError(
            f'The tokenizer of the model "{reference.name}" has no tokenizer.json.',
            "Take another model: Marian's (opus-mt), M2M100's and others' tokenizers have a slow form alone. "
            "Where transformers has a fast one for this type (a class that ends in Fast), save it beside the model.",
        )
    processor.model_max_length = reference.max_length
    take_whole_texts(processor)
    return processor


def take_whole_texts(processor: Any) -> None:
    """Windows are cut after tokenising: texts arrive whole, and a warning about long ones would be noise."""
    processor.backend_tokenizer.no_truncation()
    processor.backend_tokenizer.no_padding()
    processor.deprecation_warnings["sequence-length-is-longer-than-the-specified-maximum"] = True


def load_config(reference: ModelReference, **changes: Any) -> PretrainedConfig:
    """The configuration, with changes.

    Raises:
        ModelError: transformers does not know this type of model.
    """
    from transformers import AutoConfig

    from tunesmith.models.media_kinds import register

    register()
    try:
        with quiet():
            config: PretrainedConfig = AutoConfig.from_pretrained(
                reference.path, trust_remote_code=reference.trust_remote_code, local_files_only=True, **changes
            )
    except Exception as error:  # an unknown model_type is a ValueError, a broken file whatever its parser raises
        raise _unreadable(reference, "configuration", error) from error
    return config


def _unreadable(reference: ModelReference, part: str, error: Exception) -> ModelError:
    from transformers import __version__

    reason = str(error).strip().splitlines()
    return ModelError(
        f'The {part} of the model "{reference.name}" cannot be loaded by transformers {__version__}: '
        f"{(reason[0] if reason else type(error).__name__)[:200]}",
        f"Look into {reference.path}, or take another model.",
    )
