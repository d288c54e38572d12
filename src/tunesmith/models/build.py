"""A pretrained backbone with a task's head on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from tunesmith.core.contracts import Task
from tunesmith.core.errors import ModelError
from tunesmith.models.load import load_config, quiet
from tunesmith.models.reference import ModelReference

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def build(
    reference: ModelReference, task: Task, *, pooling: Literal["auto", "cls", "mean"] = "auto"
) -> PreTrainedModel:
    """Load the weights and make the task's head, in fp32.

    The head is made from torch's generator: seed it first.

    Args:
        pooling: "auto" keeps the original's where it says which.

    Raises:
        ModelError: the model has no head for this task, or cannot pool as asked.
    """
    import transformers

    config = load_config(reference)
    task.configure(config)
    factory = getattr(transformers, task.auto_model)
    try:
        with quiet():
            model = factory.from_pretrained(
                reference.path,
                config=config,
                dtype="float32",
                trust_remote_code=reference.trust_remote_code,
                local_files_only=True,
            )
    except (ValueError, OSError, KeyError) as error:
        raise ModelError(
            f'The model "{reference.name}" has no head for {task.name}: {str(error).splitlines()[0][:200]}',
            "Take another model, for example model=minilm.",
        ) from error
    _pool(model, reference, pooling)
    _pad(model, reference)
    built: PreTrainedModel = model
    return built


def _pool(model: Any, reference: ModelReference, pooling: str) -> None:
    from tunesmith.models.heads import mean

    wanted = reference.pooling if pooling == "auto" else pooling
    if wanted != "mean":
        return
    if mean.can_hold(model):
        mean.append(model)
    elif pooling == "mean":
        raise ModelError(
            f'The model "{reference.name}" ({model.config.model_type}) cannot hold mean pooling in its own layers.',
            "Use model.pooling=cls, or a model of BERT's or RoBERTa's family.",
        )


def _pad(model: Any, reference: ModelReference) -> None:
    """A head on a causal model finds the last token by the padding id, which some configs lack."""
    if getattr(model.config, "pad_token_id", None) is None:
        model.config.pad_token_id = model.config.eos_token_id
