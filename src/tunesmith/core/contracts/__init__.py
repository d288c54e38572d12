"""The whole plug-in surface on one page.

Rows become features, features become batches, a model gives outputs, outputs become predictions,
predictions beside rows become evidence, and evidence becomes figures::

    Task.learn(rows)                -> state        what the rows teach: labels, scales (JSON, kept in the bundle)
    Task.encode(rows, processor)    -> features     one row gives one feature, or several (windows)
    Task.collate(features)          -> batch        arrays; tensors where torch computes
    model(**batch)                  -> outputs
    Task.loss(outputs, batch)       -> scalar       what the loop minimises
    Task.infer(runtime, batch)      -> arrays       one array a feature: logits, token logits, generated ids ...
    Task.decode(arrays, features)   -> predictions  one a row; windows are merged here
    Task.evidence(rows, predictions)-> evidence     arrays with one entry a row, from which metrics are computed

Nothing here says "one label a row": a token task's array has one line a token, a generative task's
``infer`` calls ``runtime.generate``, and evidence holds whatever its metrics need.

A plug-in's options are the keyword arguments of its constructor; their types are their schema. A plug-in's
file imports torch and transformers inside its functions, so that a recipe is checked before they load.

A contract, a file::

    rows, decoding, runtime, predictor      what goes from one to the next, and what computes it
    task                                    what is predicted
    method, strategy, augmentation, reward  what is trainable, how it is trained, with which rows more, for what
    metric, check, tracker                  what is measured, and where it is written down
"""

from tunesmith.core.contracts.augmentation import Augmentation
from tunesmith.core.contracts.check import Check, CheckResult
from tunesmith.core.contracts.decoding import Decoding
from tunesmith.core.contracts.method import Method, MethodDefaults
from tunesmith.core.contracts.metric import Metric
from tunesmith.core.contracts.predictor import PredictorLike
from tunesmith.core.contracts.reward import Reward
from tunesmith.core.contracts.rows import Batch, Column, Evidence, Feature, Prediction, Row
from tunesmith.core.contracts.runtime import Runtime
from tunesmith.core.contracts.strategy import LossFn, Strategy
from tunesmith.core.contracts.task import Task
from tunesmith.core.contracts.tracker import Tracker

__all__ = [
    "Augmentation",
    "Batch",
    "Check",
    "CheckResult",
    "Column",
    "Decoding",
    "Evidence",
    "Feature",
    "LossFn",
    "Method",
    "MethodDefaults",
    "Metric",
    "Prediction",
    "PredictorLike",
    "Reward",
    "Row",
    "Runtime",
    "Strategy",
    "Task",
    "Tracker",
]
