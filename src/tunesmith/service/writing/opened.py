"""From a predictor to a decoder over its model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tunesmith.core.errors import ModelError
from tunesmith.models.decoder.limits import slides_over
from tunesmith.service.writing.settings import LONGEST, WritingSettings

if TYPE_CHECKING:
    from tunesmith.bundle.predictor import Predictor
    from tunesmith.models.decoder.continuous import Continuous


def decoder_of(predictor: Predictor, settings: WritingSettings) -> Continuous:
    """A decoder that takes the predictor's model over: it cannot be asked in another way any more.

    One place more than asked for is made: it is kept for a key that has none (``turns.py``). A graph has its own
    precision; ``settings.precision`` is of models of transformers.

    Raises:
        ModelError: the model cannot be asked token by token, or not as far as is wanted; it is as it was.
    """
    runtime: Any = predictor.runtime
    task: Any = predictor.task
    length = settings.context or predictor.max_length + max(LONGEST, task.decoding.max_new_tokens)
    if hasattr(runtime, "decoder"):
        graph: Continuous = runtime.decoder(rows=settings.together + 1, length=length)
        return graph
    from tunesmith.models.decoder.decoder import Decoder

    seen = slides_over(runtime.model.config)
    wanted = settings.context or predictor.max_length + task.decoding.max_new_tokens
    if seen is not None and wanted > seen:
        raise ModelError(
            f"Token by token this {runtime.model.config.model_type} can be asked for {seen} tokens, prompt and answer: "
            f"so many its sliding attention sees; here they may have {wanted}.",
            f"Set context: {seen} of writing, where that is enough.",
        )
    proven = "bf16" if runtime.precision == "bf16" else "fp32"
    precision = proven if settings.precision == "auto" else settings.precision
    return Decoder(runtime.model, rows=settings.together + 1, length=length, precision=precision, own=True)
