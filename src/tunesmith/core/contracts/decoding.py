"""How a model writes."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Decoding:
    """How a model writes. ``models/decoding.py`` says it in transformers' words.

    Args:
        max_new_tokens: written at most.
        min_new_tokens: written at least, before the end may come.
        beams: 1 is greedy, or sampling where there is a temperature.
        length_penalty: of beams; above 0 favours longer texts (Wu et al. 2016, eq. 14, in transformers' form).
        temperature: 0 takes the likeliest token.
        top_p: the smallest set of tokens with this probability is drawn from (Holtzman et al. 2020).
        top_k: so many tokens are drawn from; 0: all.
        repetition_penalty: divides the logits of what stands there already (Keskar et al. 2019, section 4.1).
        no_repeat_ngram: no n-gram of this many tokens is written twice; 0: any may be.
        stop: the text ends before the first of these.
        seed: of the draws; None: another one each time.
        ends: ids that end a text, beside the model's own: a chat template may end turns by another token.
        presence_penalty: taken from the logits of what was written already; as the next, only ``models/decoder`` can.
        frequency_penalty: the same for each time that it was written.
    """

    max_new_tokens: int = 128
    min_new_tokens: int = 0
    beams: int = 1
    length_penalty: float = 1.0
    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    repetition_penalty: float = 1.0
    no_repeat_ngram: int = 0
    stop: tuple[str, ...] = ()
    seed: int | None = None
    ends: tuple[int, ...] = ()
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0

    def at(self, place: int) -> Decoding:
        """How the text at a place among others is drawn: by a seed of its own, or the same prompts had the same texts.

        >>> Decoding(temperature=1.0, seed=13).at(2).seed, Decoding(seed=13).at(2).seed
        (15, 13)
        """
        drawn = self.temperature > 0 and self.seed is not None
        return replace(self, seed=(self.seed or 0) + place) if drawn and place else self
