"""A pretrained backbone with a task's head on it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from tunesmith.core.contracts import Task
from tunesmith.core.errors import ModelError
from tunesmith.models.load import auto_class, load_config, quiet
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
    config = load_config(reference)
    task.start_from(reference, pooling)
    task.configure(config)
    factory = auto_class(task.auto_model)
    try:
        with quiet():
            model, found = factory.from_pretrained(
                reference.path,
                config=config,
                dtype="float32",
                ignore_mismatched_sizes=True,  # a head for other classes gives way to a new one
                trust_remote_code=reference.trust_remote_code,
                local_files_only=True,
                output_loading_info=True,
            )
    except (ValueError, OSError, KeyError) as error:
        raise ModelError(
            f'The model "{reference.name}" has no head for {task.name}: {str(error).splitlines()[0][:200]}',
            "Take another model, for example model=minilm.",
        ) from error
    _refuse_random(model, reference, found, may_lack_output=task.auto_model == "AutoModelForMaskedLM")
    if task.pooled:
        _pool(model, reference, pooling)
    else:
        _unpool(model)
    _pad(model, reference)
    _apart(model)
    task.built(model)
    built: PreTrainedModel = model
    return built


def _refuse_random(model: Any, reference: ModelReference, found: Mapping[str, Any], *, may_lack_output: bool) -> None:
    """Weights that the folder lacks are made at random: right for a head, and for nothing else.

    Args:
        may_lack_output: whether the output layer counts as a head; its table is the one of the embeddings.
    """
    from tunesmith.models.heads import head_names

    heads = {name.split(".")[0] for name in head_names(model)}
    if may_lack_output:
        output = model.get_output_embeddings()
        heads |= {name for name, module in model.named_children() if module is output}
    names = [*found["missing_keys"], *(key[0] for key in found["mismatched_keys"])]
    odd = sorted(name for name in names if not heads & set(name.split(".")))
    if odd:
        raise ModelError(
            f'The weights of the model "{reference.name}" do not fit its config.json: {odd[0]} is missing or has '
            "another shape.",
            "Get the model's folder again.",
        )


def _pool(model: Any, reference: ModelReference, pooling: str) -> None:
    from tunesmith.models.heads import mean

    if getattr(model, "pools", False):  # its texts' encoder was told by ``start_from``
        return
    if mean.has_mean(model):  # tuned by us before
        model.base_model.encoder.layer[-1].requires_grad_(False)
        return
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


def _unpool(model: Any) -> None:
    """Weights of a bundle whose head read a mean: for a head that reads tokens, that layer is in the way."""
    from tunesmith.models.heads import mean

    if mean.has_mean(model):
        mean.take_off(model)


def _pad(model: Any, reference: ModelReference) -> None:
    """A head on a causal model finds the last token by the padding id, which some configs lack."""
    if getattr(model.config, "pad_token_id", None) is None:
        end = model.config.eos_token_id
        model.config.pad_token_id = end[0] if isinstance(end, list) else end


def _apart(model: Any) -> None:
    """Say in the config where the output layer has weights of its own: T5's says always that it has not.

    Whatever ties weights anew, a larger vocabulary for one, would overwrite them.
    """
    one, other = model.get_output_embeddings(), model.get_input_embeddings()
    if one is not None and getattr(one, "weight", None) is not getattr(other, "weight", None):
        model.config.tie_word_embeddings = False
