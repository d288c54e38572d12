"""Other words for the same: synonym replacement of EDA (Wei & Zou 2019)."""

from __future__ import annotations

import random
from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from tunesmith.core.contracts import Augmentation
from tunesmith.data.augment import thesaurus
from tunesmith.data.augment.pieces import replaced, some


class Synonyms(Augmentation):
    """Puts other words of the same meaning in the place of some.

    The words come from a small table of our own, English and Chinese, of groups that hardly depend on the context;
    from WordNet where it is installed and asked for; and from a file of yours. Neighbours in an embedding are not
    used: there "good" stands beside "bad".

    Args:
        share: rows that are added, as a share of the training rows.
        rate: share of the words that have a synonym which are replaced, one at least.
        path: a file of groups, one a line, words separated by commas.
        wordnet: English nouns, verbs and adjectives by their first sense in WordNet's files ("auto": in
            $WNSEARCHDIR or /usr/share/wordnet, Debian's wordnet-base; or a folder), beside the table.
    """

    name: ClassVar[str] = "synonyms"
    summary: ClassVar[str] = "some words replaced by synonyms, from a table, WordNet or a file (EDA, Wei & Zou 2019)"

    def __init__(
        self,
        share: Annotated[float, Field(gt=0, le=10)] = 0.5,
        rate: Annotated[float, Field(gt=0, le=1)] = 0.3,
        path: str | None = None,
        wordnet: Literal["none", "auto"] | str = "none",
    ) -> None:
        super().__init__(share, rate)
        self.path = path
        self.wordnet = wordnet

    @cached_property
    def words(self) -> Mapping[str, list[str]]:
        """Word -> its synonyms, those of a file first.

        Raises:
            RecipeError: a file or folder that was named is not there.
        """
        return thesaurus.words(self.path)

    @cached_property
    def _more(self) -> thesaurus.Lookup:
        return thesaurus.of_wordnet(self.wordnet)

    def rewrite(self, text: str, draw: random.Random) -> str:
        """The text with some of its words replaced; as it was where none has a synonym."""
        found = thesaurus.matches(text, self.words, self._more)
        chosen = [found[i] for i in some(len(found), self.rate, draw)]
        return replaced(text, {span: _cased(draw.choice(others), text[slice(*span)]) for span, others in chosen})


def _cased(word: str, example: str) -> str:
    if len(example) > 1 and example.isupper():
        return word.upper()
    return word[:1].upper() + word[1:] if example[:1].isupper() else word
