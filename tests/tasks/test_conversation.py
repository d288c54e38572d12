"""Which tokens are an assistant's own, for the templates that models have, against what each template says itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tunesmith.core.errors import DataError, ModelError
from tunesmith.tasks import conversation
from tunesmith.tasks.chat_template import Template
from tunesmith.tasks.conversation import Misfit, encoded, end_of_turn, prompt, rendered, template_of
from tunesmith.tasks.fitted import ROOM, first_fitting, fitted
from tunesmith.testing.tokenizers import byte_bpe, sentencepiece_bpe

CHATML = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
MARKED = (
    "{% for m in messages %}{% if m['role'] == 'assistant' %}<|im_start|>assistant\n{% generation %}{{ m['content'] }}"
    "<|im_end|>{% endgeneration %}{{ '\\n' }}{% else %}<|im_start|>{{ m['role'] }}\\n{{ m['content'] }}<|im_end|>\\n"
    "{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
LLAMA = (
    "{{ bos_token }}{% for m in messages %}<|start_header_id|>{{ m['role'] }}<|end_header_id|>\n\n"
    "{{ m['content'] | trim }}<|eot_id|>{% endfor %}"
    "{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}"
)
GEMMA = (
    "{{ bos_token }}{% if messages[0]['role'] == 'system' %}"
    "{{ raise_exception('System role not supported') }}{% endif %}"
    "{% for m in messages %}{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}"
    "<start_of_turn>{{ 'model' if m['role'] == 'assistant' else m['role'] }}\n{{ m['content'] | trim }}<end_of_turn>\n"
    "{% endfor %}{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}"
)
MISTRAL = (
    "{{ bos_token }}{% for m in messages %}{% if m['role'] == 'user' %}[INST] {{ m['content'] }} [/INST]"
    "{% elif m['role'] == 'assistant' %}{{ m['content'] }}{{ eos_token }}{% endif %}{% endfor %}"
)
THINKING = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n"
    "{% if m['role'] == 'assistant' and loop.last %}<think>\n\n</think>\n\n{% endif %}{{ m['content'] }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
PLAIN = (
    "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant: {% endif %}"
)
ENDS = {
    "chatml": "<|im_end|>",
    "marked": "<|im_end|>",
    "llama": "<|eot_id|>",
    "gemma": "<end_of_turn>",
    "mistral": "</s>",
}
TEMPLATES = {"chatml": CHATML, "marked": MARKED, "llama": LLAMA, "gemma": GEMMA, "mistral": MISTRAL}
TALKS = {
    "en": ["Who wrote it?", "Anna did.", "And when?", "In 1877, she said: \"go!\""],
    "zh": ["谁写的？", "是安娜写的。", "什么时候？", "1877年，她说：“走吧！”🙂"],
}  # fmt: skip


def talk(language: str = "en", system: str = "") -> list[dict[str, str]]:
    said = [{"role": role, "content": c} for role, c in zip(["user", "assistant"] * 2, TALKS[language], strict=True)]
    return [{"role": "system", "content": system}, *said] if system else said


def tokenizer(template: str | None, cases: Any = TALKS) -> Any:
    from transformers import PreTrainedTokenizerFast

    special = ["<s>", "</s>", "<unk>", "<pad>"]
    marks = ["<|im_start|>", "<|im_end|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"]
    made = byte_bpe([text for said in cases.values() for text in said], 400, [*special, *marks])
    made.add_special_tokens([*marks, "<start_of_turn>", "<end_of_turn>"])
    found: Any = PreTrainedTokenizerFast
    processor = found(tokenizer_object=made, bos_token="<s>", eos_token="</s>", unk_token="<unk>", pad_token="<pad>")
    processor.chat_template = template
    return processor


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("name", sorted(TEMPLATES))
def test_answers_and_the_token_that_ends_them_are_learned_and_nothing_else(name: str, language: str) -> None:
    processor = tokenizer(TEMPLATES[name])
    messages = talk(language)
    found = encoded(messages, processor)
    runs = np.split(found.ids, np.flatnonzero(np.diff(found.learned.astype(int))) + 1)
    learned = [processor.decode(run) for run in runs[1::2]]
    assert learned == [messages[i]["content"] + ENDS[name] for i in (1, 3)]
    assert end_of_turn(processor) == processor.convert_tokens_to_ids(ENDS[name])
    whole = processor(rendered(messages, processor), add_special_tokens=False)["input_ids"]
    assert found.ids.tolist() == whole
    assert found.ids.dtype == np.int32


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("name", sorted(TEMPLATES))
def test_a_prompt_is_what_stands_before_the_answer(name: str, language: str) -> None:
    processor = tokenizer(TEMPLATES[name])
    messages = talk(language)
    for end in (1, 3):
        asked = prompt(messages[:end], processor)
        found = encoded(messages[: end + 1], processor)
        assert found.ids[: len(asked)].tolist() == asked.tolist()
        assert found.learned[len(asked)] and found.learned[len(asked) - 1] == np.False_
        assert processor.decode(asked) == rendered(messages[:end], processor, answer=True)


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("name", sorted(TEMPLATES))
def test_an_answer_of_weight_0_is_read_and_not_learned(name: str, language: str) -> None:
    processor, messages = tokenizer(TEMPLATES[name]), talk(language)
    plain = encoded(messages, processor)
    found = encoded([messages[0], {**messages[1], "weight": 0}, *messages[2:]], processor)
    assert found.ids.tolist() == plain.ids.tolist()
    assert processor.decode(found.ids[found.learned]) == messages[3]["content"] + ENDS[name]


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("template", [MISTRAL, LLAMA, PLAIN])
def test_no_blank_comes_between_pieces_of_tokenizers_that_put_one_before_a_text(template: str, language: str) -> None:
    from transformers import PreTrainedTokenizerFast

    kind: Any = PreTrainedTokenizerFast
    made = sentencepiece_bpe([template, *TALKS["en"], *TALKS["zh"]], 900)
    made.add_special_tokens(["<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"])
    processor = kind(tokenizer_object=made, bos_token="<s>", eos_token="</s>", unk_token="<unk>")
    processor.chat_template = template
    messages = talk(language)
    for end in (1, 3):
        whole = processor.apply_chat_template(messages[:end], tokenize=True, add_generation_prompt=True)
        asked = prompt(messages[:end], processor)
        assert asked.tolist() == list(whole["input_ids"] if hasattr(whole, "keys") else whole)
        found = encoded(messages[: end + 1], processor)
        assert found.ids[: len(asked)].tolist() == asked.tolist()
        assert found.learned[len(asked)] and not found.learned[len(asked) - 1]
        said = processor.decode(found.ids[len(asked) :][found.learned[len(asked) :]], skip_special_tokens=True)
        assert said.strip() == messages[end]["content"]


def test_marks_and_prefixes_agree() -> None:
    for language in TALKS:
        processor = tokenizer(MARKED)  # one: where two pairs are as frequent, training takes either
        marked = encoded(talk(language, "Be brief."), processor)
        processor.chat_template = CHATML
        plain = encoded(talk(language, "Be brief."), processor)
        told = [processor.decode(one.ids[one.learned].tolist()) for one in (marked, plain)]
        assert told[0] == told[1] and told[0]  # where pieces are cut may differ: one way cuts before each answer


def test_an_answer_that_would_melt_into_the_prompt_does_not() -> None:
    """Byte pieces join a line's end and the next one's start; a prompt must have the same ids with its answer."""
    cases = {"en": ["assistant: \n\nyes", "user: a"] * 9}
    processor = tokenizer(PLAIN, cases)
    messages = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "\n\nyes"}]
    asked, found = prompt(messages[:1], processor), encoded(messages, processor)
    whole = processor(rendered(messages, processor), add_special_tokens=False)["input_ids"]
    assert whole[: len(asked)] != asked.tolist(), "else this test tests nothing"
    assert found.ids[: len(asked)].tolist() == asked.tolist()
    assert processor.decode(found.ids) == rendered(messages, processor)


def test_a_template_without_special_tokens_ends_an_answer_by_its_text() -> None:
    processor = tokenizer(PLAIN)
    found = encoded(talk(), processor)
    runs = np.split(found.ids, np.flatnonzero(np.diff(found.learned.astype(int))) + 1)
    assert processor.decode(runs[1]) == "Anna did.\n" and end_of_turn(processor) is None


def test_of_a_template_that_rewrites_earlier_answers_the_last_is_learned() -> None:
    processor = tokenizer(THINKING)
    found = encoded(talk(), processor)
    assert processor.decode(found.ids[found.learned]).startswith("<think>\n\n</think>\n\nIn 1877")
    assert found.ids[: len(prompt(talk()[:3], processor))].tolist() == prompt(talk()[:3], processor).tolist()


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_thinker_is_asked_and_taught_to_answer_at_once(language: str) -> None:
    processor, messages = tokenizer(THINKING), talk(language)
    template = Template.of(processor)
    learned = fitted(messages, template, 400, 1, targets=True)
    asked = fitted(messages[:3], template, 400, 1, targets=False)["input_ids"]
    own = learned["target"][learned["target"] != -100]
    assert processor.decode(own) == messages[-1]["content"] + "<|im_end|>"
    assert learned["input_ids"][: len(asked)].tolist() == asked.tolist()
    assert processor.decode(asked).endswith("<|im_start|>assistant\n<think>\n\n</think>\n\n")
    thinker = Template.of(processor, thinks=True)
    assert thinker.unthought == "" == Template.of(tokenizer(CHATML)).unthought
    assert processor.decode(fitted(messages[:3], thinker, 400, 1, targets=False)["input_ids"]).endswith("assistant\n")


@pytest.mark.parametrize(
    ("template", "messages", "why"),
    [
        (GEMMA, talk(system="Be brief."), "System role not supported"),
        (GEMMA, talk()[1:], "must alternate"),
        (MISTRAL, talk(system="Be brief."), "leaves out message 1, of the system"),
        ("{% for m in messages %}{{ m.nothing.here }}{% endfor %}", talk(), "refuses it"),
        ("{% for m in messages %}{{ m['content'] }}{% endfor %}{% if add_generation_prompt %}>{% endif %}", talk(),
         "otherwise than it asks for one"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_an_error_and_no_guess(template: str, messages: Any, why: str) -> None:
    with pytest.raises(Misfit, match=why):
        encoded(messages, tokenizer(template))


@pytest.mark.parametrize("template", [None, {"tool_use": CHATML, "rag": CHATML}])
def test_no_template_is_an_error(template: Any) -> None:
    with pytest.raises(ModelError, match="no chat template") as caught:
        template_of(tokenizer(template))
    assert "task.template=FILE" in caught.value.hint


def long_talk(length: int) -> list[dict[str, str]]:
    return [
        {"role": ("user", "assistant")[i % 2], "content": "the room was great " * (1 + i * 7 % 5)}
        for i in range(length)
    ]


def test_of_a_long_conversation_the_same_is_left_out_as_by_trying_one_after_the_other() -> None:
    for name in ("chatml", "mistral", "marked"):
        processor = tokenizer(TEMPLATES[name])
        template = Template.of(processor)
        for length in (2, 9, 16):
            messages = [{"role": "system", "content": "Be short."}] * (name == "chatml") + long_talk(length)
            for targets in (True, False):
                own = messages[: len(messages) - (length % 2 == (1 if targets else 0))]
                for room in (30, 100, 300, 1000):
                    try:
                        found = fitted(own, template, room, 1, targets=targets)
                    except DataError:
                        assert not targets, "its last message alone is too long"
                        continue
                    left, ids = one_by_one(own, processor, room, targets)
                    assert found["left_out"] == left, (name, length, targets, room)
                    assert found["input_ids"].tolist() == ids[:room].tolist()


def one_by_one(messages: Any, processor: Any, room: int, targets: bool) -> tuple[int, np.ndarray]:
    head = [m for m in messages[:1] if m["role"] == "system"]
    turns = messages[len(head) :]
    for left in range(0, len(turns) - targets, 2):
        some = [*head, *turns[left:]]
        ids = encoded(some, processor).ids if targets else prompt(some, processor)
        if len(ids) <= room - (0 if targets else ROOM):
            break
    return left, ids


def test_a_long_conversation_is_not_rendered_over_and_over(monkeypatch: pytest.MonkeyPatch) -> None:
    template, render, seen = Template.of(tokenizer(CHATML)), conversation._render, []

    def counted(messages: Any, processor: Any, answer: bool) -> str:
        seen.append(len(messages))
        return render(messages, processor, answer)

    monkeypatch.setattr(conversation, "_render", counted)
    found = fitted(long_talk(80), template, 128, 1, targets=True)
    assert found["left_out"] > 60 and len(found["input_ids"]) <= 128
    assert sum(seen) < 10 * 80, "messages, of all renderings"


def test_where_shorter_is_longer_each_is_tried() -> None:
    sizes = [90, 50, 95, 93, 40, 30]
    assert first_fitting(5, sizes.__getitem__, sizes.__getitem__, 60) == 1
    assert first_fitting(0, sizes.__getitem__, sizes.__getitem__, 60) == 0
