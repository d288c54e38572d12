from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM, T5Config, T5ForConditionalGeneration

from tunesmith.core.contracts import Decoding
from tunesmith.core.errors import ModelError
from tunesmith.models.decoder.decoder import CHUNK, Decoder, written
from tunesmith.models.decoding import written as whole

draw = random.Random(5)
PROMPTS = [[draw.randrange(3, 97) for _ in range(length)] for length in (9, 1, 21, 4, 13, 2)]
HOW = [
    Decoding(max_new_tokens=12, min_new_tokens=12),
    Decoding(max_new_tokens=12, repetition_penalty=1.3),
    Decoding(max_new_tokens=16, no_repeat_ngram=2, min_new_tokens=9),
]


def alone(model: Any, prompt: list[int], decoding: Decoding) -> list[int]:
    ids = torch.tensor([prompt])
    batch = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    with torch.inference_mode():
        return [int(token) for token in whole(model, batch, decoding)[0]]


@pytest.mark.parametrize("decoding", HOW)
def test_together_as_each_alone(model: Any, decoding: Decoding) -> None:
    found = written(Decoder(model, rows=4), PROMPTS, decoding)
    assert [one.ids for one in found] == [alone(model, prompt, decoding) for prompt in PROMPTS]


def padded(prompts: list[list[int]], pad: int = 0) -> dict[str, torch.Tensor]:
    widest = max(map(len, prompts))
    return {
        "input_ids": torch.tensor([[pad] * (widest - len(p)) + p for p in prompts]),
        "attention_mask": torch.tensor([[0] * (widest - len(p)) + [1] * len(p) for p in prompts]),
    }


@pytest.mark.parametrize("decoding", [
    Decoding(max_new_tokens=30, min_new_tokens=30),  # nearly the window, for the longest prompt more than it
    Decoding(max_new_tokens=30, min_new_tokens=12, repetition_penalty=1.5),
    Decoding(max_new_tokens=30, min_new_tokens=12, repetition_penalty=1.5, beams=2),
])  # fmt: skip
def test_a_longer_neighbour_and_padding_change_no_text(llama: Any, decoding: Decoding) -> None:
    prompts = [PROMPTS[0], [*PROMPTS[2], *PROMPTS[2]], PROMPTS[1]]
    with torch.inference_mode():
        together = [[int(i) for i in ids] for ids in whole(llama, padded(prompts), decoding)]
        twice = whole(llama, padded(prompts), decoding, 2) if decoding.beams == 1 else []
    assert together == [alone(llama, prompt, decoding) for prompt in prompts]
    assert [ids.tolist() for ids in twice] in ([], [text for text in together for _ in range(2)])
    assert [len(text) for text in together][::2] == [30, 30] and len(together[1]) <= 64 - 42


def test_padding_is_not_penalised(llama: Any) -> None:
    """Though it is done by a token that is to be written (models without one for it use their end token)."""
    decoding = Decoding(max_new_tokens=12, min_new_tokens=12, repetition_penalty=3.0)
    wanted = [alone(llama, prompt, decoding) for prompt in PROMPTS]
    with torch.inference_mode():
        found = whole(llama, padded(PROMPTS, pad=wanted[1][0]), decoding)
    assert [ids.tolist() for ids in found] == wanted


def test_the_models_of_these_tests_write_different_things(model: Any) -> None:
    texts = {tuple(alone(model, prompt, HOW[0])) for prompt in PROMPTS}
    assert len(texts) == len(PROMPTS) and sum(len(set(text)) > 3 for text in texts) >= 3, texts


def test_texts_join_and_leave_between_steps(model: Any) -> None:
    decoder = Decoder(model, rows=3)
    decoding = Decoding(max_new_tokens=10, min_new_tokens=10)
    first = [decoder.add(prompt, decoding) for prompt in PROMPTS[:2]]
    for _ in range(3):
        decoder.step()
    late, gone = decoder.add(PROMPTS[2], decoding), decoder.add(PROMPTS[3], decoding)
    decoder.step()
    assert gone.finish == "" and len(decoder) == 4 and not gone.ids  # three rows are taken
    decoder.drop(first[0])
    decoder.drop(gone)
    decoder.drop(gone)
    after = decoder.add(PROMPTS[4], decoding)
    while len(decoder):
        decoder.step()
    assert first[0].finish == gone.finish == "dropped"
    for one in (first[1], late, after):
        assert one.ids == alone(model, list(one.prompt), decoding)


def test_what_was_computed_is_taken_over(model: Any) -> None:
    decoder = Decoder(model, rows=2)
    decoding = Decoding(max_new_tokens=6, min_new_tokens=6)
    (first,) = written(decoder, [PROMPTS[0]], decoding)
    onward = [*PROMPTS[0], *first.ids, 5, 6]
    (second,) = written(decoder, [onward], decoding)
    assert second.reused == len(PROMPTS[0]) + 5  # the last token was written, and never read
    assert second.ids == alone(model, onward, decoding)
    shared = [[*PROMPTS[2], 11], [*PROMPTS[2], 12, 13]]  # at once: the second takes from the first, which still writes
    found = written(decoder, shared, decoding)
    assert found[1].reused == len(PROMPTS[2])
    assert [one.ids for one in found] == [alone(model, prompt, decoding) for prompt in shared]


def test_the_same_prompt_is_read_once(llama: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    decoder, shapes = Decoder(llama, rows=4), []
    compute = decoder._network.logits

    def noted(ids: Any, first: int, starts: Any) -> Any:
        shapes.append(ids.shape)
        return compute(ids, first, starts)

    monkeypatch.setattr(decoder._network, "logits", noted)
    decoding = Decoding(max_new_tokens=3, min_new_tokens=3)
    found = written(decoder, [PROMPTS[0]] * 3, decoding)
    assert shapes == [(1, 9), (3, 1), (3, 1), (2, 1)]
    assert [one.ids for one in found] == [alone(llama, PROMPTS[0], decoding)] * 3


def test_a_long_prompt_is_read_in_parts() -> None:
    torch.manual_seed(3)
    size = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    model = LlamaForCausalLM(LlamaConfig(vocab_size=50, max_position_embeddings=CHUNK * 3, **size)).eval()
    decoder, decoding = Decoder(model, rows=2), Decoding(max_new_tokens=4, min_new_tokens=4)
    prompt = [draw.randrange(3, 50) for _ in range(CHUNK + 40)]
    short, long = decoder.add(prompt[:5], decoding), decoder.add(prompt, decoding)
    steps = 0
    while not long.ids:
        decoder.step()
        steps += 1
    assert steps == 2 and len(short.ids) == 3  # the short one wrote on meanwhile
    while len(decoder):
        decoder.step()
    assert long.ids == alone(model, prompt, decoding)


def test_a_seed_gives_the_same_text_whatever_is_beside_it(model: Any) -> None:
    decoding = Decoding(max_new_tokens=10, min_new_tokens=10, temperature=1.2, top_p=0.95, top_k=40, seed=3)
    (one,) = written(Decoder(model), [PROMPTS[0]], decoding)
    others = written(Decoder(model), PROMPTS, decoding)
    assert others[0].ids == one.ids
    (other,) = written(Decoder(model), [PROMPTS[0]], Decoding(**{**vars(decoding), "seed": 4}))
    assert other.ids != one.ids


def test_it_ends_where_it_must(llama: Any) -> None:
    (full,) = written(Decoder(llama, length=20), [PROMPTS[0]], Decoding(max_new_tokens=99, min_new_tokens=99))
    assert (full.finish, len(full.ids)) == ("length", 11)
    stopped = written(Decoder(llama), PROMPTS * 9, Decoding(max_new_tokens=40, temperature=1.5, seed=1))
    ended = [w for w in stopped if w.finish == "stop"]
    assert ended and all(w.ids[-1] == 2 and 2 not in w.ids[:-1] for w in ended)


def test_bf16_is_near(model: Any) -> None:
    decoder = Decoder(model, rows=4, precision="bf16")
    assert all(one.finish for one in written(decoder, PROMPTS, Decoding(max_new_tokens=5)))
    assert model.dtype == torch.float32  # it is somebody else's


def test_an_own_model_gives_its_weights_away(model_of: Callable[[str], Any]) -> None:
    for kind in ("Llama", "GPT2"):
        model = model_of(kind)
        expected = [alone(model, prompt, HOW[0]) for prompt in PROMPTS]
        found = written(Decoder(model, own=True), PROMPTS, HOW[0])
        assert [one.ids for one in found] == expected


@pytest.mark.parametrize("length", [0, 20, 21])
def test_a_prompt_that_cannot_be_read(llama: Any, length: int) -> None:
    with pytest.raises(ModelError, match="1 to 19"):
        Decoder(llama, length=20).add([5] * length, Decoding())


def test_a_model_that_cannot_be_asked_so() -> None:
    t5 = T5ForConditionalGeneration(T5Config(vocab_size=20, d_model=8, d_kv=4, d_ff=8, num_layers=1, num_heads=2))
    with pytest.raises(ModelError, match="t5 model cannot"):
        Decoder(t5)


def test_a_model_that_answers_otherwise_step_by_step(llama: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from tunesmith.models.decoder import llama as ours

    monkeypatch.setattr(ours, "silu", torch.sigmoid)
    with pytest.raises(ModelError, match="other logits than at once"):
        Decoder(llama)


def test_no_room_is_told_and_the_model_stays(model_of: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch) -> None:
    from tunesmith.models.decoder import llama as ours

    def full(*_: Any, **__: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    mine, same = model_of("Llama"), model_of("Llama")
    monkeypatch.setattr(ours, "packed", full)
    with pytest.raises(ModelError, match="has no room"):
        Decoder(mine, own=True)
    assert alone(mine, PROMPTS[0], HOW[0]) == alone(same, PROMPTS[0], HOW[0])


def test_a_model_that_is_refused_is_as_it_was(model_of: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch) -> None:
    from tunesmith.models.decoder import proof

    monkeypatch.setattr(proof, "TOLERANCE", {"fp32": -1.0, "bf16": -1.0})
    for kind in ("Llama", "GPT2"):
        for precision in ("fp32", "bf16"):
            mine, same = model_of(kind), model_of(kind)
            with pytest.raises(ModelError):
                Decoder(mine, own=True, precision=precision)
            assert alone(mine, PROMPTS[0], HOW[0]) == alone(same, PROMPTS[0], HOW[0])
