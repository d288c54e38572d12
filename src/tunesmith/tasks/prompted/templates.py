"""Templates and words for labels, as data; rendered in Jinja's sandbox."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from tunesmith.core.errors import RecipeError
from tunesmith.core.extras import need
from tunesmith.core.recipe import read_yaml

NEEDED = {"likelihood": {"text"}, "cloze": {"text", "mask"}, "entailment": {"word"}, "similarity": {"word"}}
"""What a template of each way must name: without it every text, or every label, would be asked about alike."""


@dataclass(frozen=True)
class Template:
    """How a row, or a label, is put into words.

    Args:
        name: for reports.
        text: Jinja.
        about: "" for any labels, "sentiment" for those of praise and blame.
    """

    name: str
    text: str
    about: str = ""


@dataclass(frozen=True)
class Words:
    """A word for each label."""

    name: str
    by_label: Mapping[str, str]


def templates(way: str, language: str, labels: Sequence[str], path: str | None = None) -> list[Template]:
    """Templates of a way in a language that fit the labels, the plainest first.

    Args:
        path: a file of the user's own, of the same form; None: those that come along.

    Raises:
        RecipeError: the file is not of that form, or has none.
    """
    table = _table() if path is None else read_yaml(path)
    spoken = "zh" if language in ("zh", "ja") else "en"
    found = _at(_at(table, way, path), spoken, path, way) or []
    if not isinstance(found, list):
        raise RecipeError(f"{path}: {way}.{spoken} is no list of templates.", _FORM)
    for number, one in enumerate(found, 1):
        if not isinstance(one, Mapping) or not {"name", "text"} <= set(one):
            raise RecipeError(f"{path}: template {number} of {way}.{spoken} lacks a name or a text.", _FORM)
    made = [Template(str(one["name"]), str(one["text"]), str(one.get("about", ""))) for one in found]
    twice = next((one.name for i, one in enumerate(made) if one.name in {past.name for past in made[:i]}), None)
    if path and twice is not None:
        raise RecipeError(f'{path}: two templates of {way}.{spoken} are called "{twice}".', "Give each its own name.")
    for one in made if path else ():
        check_template(way, one.text)
    fitting = [one for one in made if not one.about or one.about == "sentiment" and is_sentiment(labels)]
    if not fitting:
        raise RecipeError(f"There is no template for {way} in {language} in {path}.", f"Ways: {', '.join(NEEDED)}.")
    return fitting


_FORM = 'Write it so: {similarity: {en: [{name: mine, text: "a {{ word }} review"}]}}'


def _at(table: Any, key: str, path: str | None, *above: str) -> Any:
    """What a mapping has at a key, or None; of a user's file, whose form is not known."""
    if table is None or isinstance(table, Mapping):
        return (table or {}).get(key)
    raise RecipeError(f"{path}: {'.'.join(above)} is no mapping of languages to templates.", _FORM)


def check_template(way: str, template: str) -> None:
    """What a way asks by must be in its template.

    Raises:
        RecipeError: it is not, or the template is broken.
    """
    need("jinja2", extra="train", purpose="templates of prompts")
    from jinja2 import TemplateError, meta
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    try:
        named = meta.find_undeclared_variables(ImmutableSandboxedEnvironment().parse(template))
    except TemplateError as error:
        raise RecipeError(f"The template {template[:80]!r} cannot be read: {error}.", _KNOWN) from error
    lacking = sorted(NEEDED[way] - named)
    if lacking:
        raise RecipeError(
            f"The template {template[:80]!r} does not name {' and '.join(lacking)}, by which {way} asks.",
            f"Put {{{{ {lacking[0]} }}}} where it belongs.",
        )


def words_for(labels: Sequence[str], language: str, given: Mapping[str, str] | None = None) -> list[Words]:
    """Words for labels, the given ones first, then the labels' own names, then those that are known for such labels.

    Raises:
        RecipeError: labels say nothing (0, 1), and no words are given for them.
    """
    if given:
        lacking = [label for label in labels if label not in given]
        if lacking:
            raise RecipeError(f'task.words has no word for the label "{lacking[0]}".', "Give every label one.")
        return [Words("given", {label: given[label] for label in labels})]
    found = []
    plain = {label: label_words(label) for label in labels}
    if all(any(c.isalpha() for c in word) and (len(word) > 1 or ord(word[0]) > 0x2E80) for word in plain.values()):
        found.append(Words("labels", plain))
    known = (_table()["words"]).get("zh" if language in ("zh", "ja") else "en") or []
    lowered = {label.lower(): label for label in labels}
    for one in known:
        if set(one["labels"]) == set(lowered):
            pairs = zip(one["labels"], one["words"], strict=True)
            words = {lowered[name]: str(word) for name, word in pairs}
            if words not in [w.by_label for w in found]:
                found.append(Words(str(one["name"]), {label: words[label] for label in labels}))
    if not found:
        raise RecipeError(
            f"The labels {', '.join(labels[:5])} say nothing that a model could read.",
            'Say what they mean: task.words="{0: bad, 1: good}"',
        )
    return found


def label_words(label: str) -> str:
    """A label's name as words.

    >>> label_words("card_not-working"), label_words("体育")
    ('card not working', '体育')
    """
    return " ".join(label.replace("_", " ").replace("-", " ").replace("/", " ").split())


def is_sentiment(labels: Sequence[str]) -> bool:
    """Whether labels are of praise and blame.

    >>> is_sentiment(["negative", "positive"]), is_sentiment(["sports", "politics"])
    (True, False)
    """
    known = {"positive", "negative", "neutral", "积极", "消极", "正面", "负面", "好评", "差评", "中性", "中立"}
    known |= {"pos", "neg", "good", "bad"}
    return all(label.lower() in known for label in labels)


_KNOWN = "It knows text, words, word and mask."


def rendered(template: str, **values: Any) -> str:
    """A template with its values.

    Raises:
        RecipeError: the template is broken, or names what there is not.
    """
    need("jinja2", extra="train", purpose="templates of prompts")
    from jinja2 import TemplateError

    try:
        return str(_compiled(template).render(**values))
    except TemplateError as error:
        raise RecipeError(f"The template {template[:80]!r} cannot be read: {error}.", _KNOWN) from error


@lru_cache(maxsize=64)
def _compiled(template: str) -> Any:
    from jinja2 import StrictUndefined
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    return ImmutableSandboxedEnvironment(undefined=StrictUndefined, keep_trailing_newline=True).from_string(template)


@cache
def _table() -> dict[str, Any]:
    return read_yaml(Path(str(files("tunesmith.tasks.prompted").joinpath("templates.yaml"))))
