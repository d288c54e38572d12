"""Programs for problems: written by a causal model, and run under guard against the problems' own tests."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from tunesmith.core.contracts import Column, Evidence, Prediction, PredictorLike, Row
from tunesmith.core.errors import DataError, RecipeError
from tunesmith.data.shapes.code_generation import CodeShape
from tunesmith.tasks import code_prompts
from tunesmith.tasks.asking import Asking, with_template
from tunesmith.tasks.code_tests import nothing_runs, source_of_tests
from tunesmith.tasks.code_text import entry_of, parses, program
from tunesmith.tasks.dialogue import Dialogue
from tunesmith.tasks.likelihood import unknown_likelihoods
from tunesmith.tasks.passages import canonical
from tunesmith.tasks.writing import Count

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

MB = 1 << 20


class CodeRequest(BaseModel):
    """A problem; tests that show what is to be called, where there are any."""

    model_config = ConfigDict(extra="forbid")
    text: str = Field(min_length=1)
    tests: list[str] = []
    entry_point: str = ""
    test_setup: str = ""


class CodeGeneration(Dialogue):
    """A Python program for a problem in words, or for the beginning of one.

    Programs that the model writes are run only where ``execute`` says so: in a sandbox (``tunesmith.core.sandbox``),
    which refuses to run them where it does not hold. Without it programs are only looked at.

    Args:
        execute: run what the model writes against the rows' tests: pass@1, pass@k. A bundle does not keep this: it is
            said anew for each run.
        samples: programs drawn for each problem when it is measured; more than one need a temperature.
        k: of pass@k; None: 10, or all samples where these are fewer.
        show_tests: of each problem's tests, so many are shown to the model.
        seconds: that a program and its tests may take.
        memory: megabytes that they may use.
        template: a Jinja file, where the tokenizer has no chat template, or another is wanted.
        max_new_tokens: written at most; None: as long as nearly all of the training programs are.
        min_new_tokens: written at least.
        beams: 1 is greedy, or sampling where there is a temperature.
        length_penalty: of beams; above 0 favours longer texts.
        temperature: 0 takes the likeliest token.
        top_p: the smallest set of tokens with this probability is drawn from.
        top_k: so many tokens are drawn from; 0: all.
        repetition_penalty: divides the logits of what stands there already.
        no_repeat_ngram: no n-gram of so many tokens is written twice; 0: any may be.
        stop: the text ends before the first of these.
        seed: of the draws.
    """

    name: ClassVar[str] = "code-generation"
    summary: ClassVar[str] = (
        "Python programs for problems, run against their tests in a sandbox where that is asked for"
    )
    columns: ClassVar[tuple[Column, ...]] = (
        Column("text"),
        Column("tests", "any", required=False),
        Column("entry_point", required=False),
        Column("test_setup", required=False),
        Column("target", target=True),
    )
    metrics: ClassVar[tuple[str, ...]] = ("perplexity", "parses")
    consents: ClassVar[frozenset[str]] = frozenset({"execute"})

    def __init__(
        self,
        execute: bool = False,
        samples: Annotated[int, Field(ge=1)] = 1,
        k: Annotated[int, Field(ge=1)] | None = None,
        show_tests: Count = 3,
        seconds: Annotated[float, Field(gt=0)] = 5.0,
        memory: Annotated[int, Field(ge=64)] = 512,
        template: str | None = None,
        max_new_tokens: Annotated[int, Field(ge=1)] | None = None,
        min_new_tokens: Count = 0,
        beams: Annotated[int, Field(ge=1)] = 1,
        length_penalty: float = 1.0,
        temperature: Annotated[float, Field(ge=0)] = 0.0,
        top_p: Annotated[float, Field(gt=0, le=1)] = 1.0,
        top_k: Count = 0,
        repetition_penalty: Annotated[float, Field(gt=0)] = 1.0,
        no_repeat_ngram: Count = 0,
        stop: tuple[str, ...] = (),
        seed: int | None = 13,
    ) -> None:
        super().__init__(
            template, max_new_tokens, min_new_tokens, beams, length_penalty, temperature, top_p, top_k,
            repetition_penalty, no_repeat_ngram, stop, seed,
        )  # fmt: skip
        if samples > 1 and temperature == 0:
            raise RecipeError(
                f"task.samples is {samples} and task.temperature is 0: every sample would be the same program.",
                "Give a temperature: task.temperature=0.8",
            )
        if k is not None and k > samples:
            raise RecipeError(f"task.k is {k}, of {samples} samples.", f"Draw more: task.samples={2 * k}")
        self.execute, self.samples, self.k = execute, samples, k or min(10, samples)
        self.seconds, self.memory = seconds, memory
        self.shape = Asking(CodeShape(), lambda row: code_prompts.question(row, show_tests), code_prompts.answer)
        if execute:
            figures = ("pass_at_1",) if samples == 1 else ("pass_at_1", "pass_at_k")
            self.metrics = (*figures, *type(self).metrics)  # type: ignore[misc]

    def learn(self, rows: Iterable[Row]) -> dict[str, Any]:
        """How many problems there are. Where programs will be run, the sandbox is tried."""
        if self.execute:
            from tunesmith.core.sandbox.run import guards

            guards()
        return super().learn(rows)

    def check(self, rows: Sequence[Row]) -> None:
        """Every problem has a program, and where programs will be run, a test that tests something."""
        for number, row in enumerate(canonical(self.shape, rows, target=True), 1):
            if self.execute and not row["tests"]:
                raise DataError(
                    f"Row {number} has no tests, so there is no telling whether a program is right.",
                    "Name their column: data.tests=COLUMN. Or leave out task.execute.",
                )
            why = nothing_runs(row["tests"], row["test_setup"], entry_of(row["text"], row["target"]))
            if self.execute and why:
                raise DataError(
                    f"Row {number}: {why}.", "Give tests that raise where the program is wrong: assert f(1) == 2"
                )

    def adapt(self, processor: PreTrainedTokenizerBase) -> PreTrainedTokenizerBase:
        """The tokenizer with a chat template: its own, the recipe's, or a plain one."""
        return super().adapt(processor if self.template else with_template(processor))

    def measure(
        self, predictor: PredictorLike, rows: Sequence[Row], progress: Callable[[int, int], None] | None = None
    ) -> tuple[list[Prediction], Evidence]:
        """Programs for each problem, how many parse, and where that is asked for, how many pass."""
        predictions, evidence = super().measure(predictor, rows, progress)
        drawn = [predictions, *(self._another(predictor, rows, n, predictions) for n in range(1, self.samples))]
        answers = [[some[i]["text"] for some in drawn] for i in range(len(rows))]
        evidence = {**evidence, "parses": _parses(rows, answers)}
        return predictions, {**evidence, **self._run(rows, answers)} if self.execute else evidence

    def evidence(self, rows: Sequence[Row], predictions: Sequence[Prediction]) -> Evidence:
        """``parses`` of one program a problem. Nothing is run here."""
        parsed = _parses(rows, [[prediction["text"]] for prediction in predictions])
        return {"parses": parsed, **unknown_likelihoods(len(rows))}

    def request_model(self) -> type[BaseModel]:
        """A problem."""
        return CodeRequest

    def _another(
        self, predictor: PredictorLike, rows: Sequence[Row], number: int, first: Sequence[Prediction]
    ) -> list[Prediction]:
        """Programs drawn by another seed; a problem that was too long the first time stays unanswered."""
        able = [i for i, prediction in enumerate(first) if prediction["tokens"]]
        was, seed = self._decoding, self._decoding.seed
        self._decoding = replace(was, seed=None if seed is None else seed + number)
        try:
            written = predictor.predict([rows[i] for i in able])
        finally:
            self._decoding = was
        found = list(first)
        for i, prediction in zip(able, written, strict=True):
            found[i] = prediction
        return found

    def _run(self, rows: Sequence[Row], answers: Sequence[Sequence[str]]) -> dict[str, np.ndarray]:
        """``drawn``, ``passed``, ``k`` [rows]; and ``hit``, ``true``, ``predicted_as`` of the first program."""
        from tunesmith.core.sandbox.limits import Limits
        from tunesmith.core.sandbox.run import run_all

        read = canonical(self.shape, rows, target=True)
        jobs = [
            (program(row["text"], answer), tests)
            for row, some in zip(read, answers, strict=True)
            for tests in [source_of_tests(row["tests"], row["test_setup"], entry_of(row["text"], row["target"]))]
            for answer in some
        ]
        outcomes = run_all(jobs, Limits(seconds=self.seconds, memory=self.memory * MB))
        passed = np.array([outcome.passed for outcome in outcomes]).reshape(len(rows), self.samples)
        first = outcomes[:: self.samples]
        shown = [f"{o.status}: {o.detail}\n{code}" for o, (code, _) in zip(first, jobs[:: self.samples], strict=True)]
        return {
            "drawn": np.full(len(rows), self.samples),
            "passed": passed.sum(axis=1),
            "k": np.full(len(rows), self.k),
            "hit": passed[:, 0],
            "true": np.array([row["target"] for row in read], dtype=object),
            "predicted_as": np.array(shown, dtype=object),
        }


def _parses(rows: Sequence[Row], answers: Sequence[Sequence[str]]) -> np.ndarray:
    """Of each row's programs, the share that is Python: float64 [rows]."""
    pairs = zip(rows, answers, strict=True)
    return np.array([np.mean([parses(program(str(row["text"]), one)) for one in some]) for row, some in pairs])
