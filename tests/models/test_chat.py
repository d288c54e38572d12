"""Conversations as text, without transformers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jinja2 import TemplateError
from jinja2.exceptions import SecurityError
from transformers import AutoTokenizer

from tunesmith.models.chat import rendered, template_of
from tunesmith.models.tokenizer_files import light_tokenizer
from tunesmith.testing import tiny_llama

TALKS: list[list[dict[str, str]]] = [
    [{"role": "user", "content": "Where is the key? {{ 7 }}"}],
    [
        {"role": "system", "content": "你是客服。"},
        {"role": "user", "content": '  <b>房间</b> "很好" 吗？🙂\n'},
        {"role": "assistant", "content": "很好。"},
        {"role": "user", "content": "谢谢"},
    ],
]
TEMPLATES = [
    "{% for m in messages %}\n  {% if loop.first and m.role != 'system' %}\n{{ bos_token }}\n{% endif %}\n"
    "<|{{ m['role'] }}|>{{ m['content'] | trim }}{{ eos_token }}\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}\n",
    "{% for m in messages %}{% if m.role == 'system' %}{% continue %}{% endif %}{{ m | tojson }}{% endfor %}"
    "{{ tools is none }}{{ documents }}",
    "{% set ns = namespace(n=0) %}{% for m in messages %}{% set ns.n = ns.n + 1 %}{{ ns.n }}{{ m.content }}{% endfor %}"
    "{{ strftime_now('%Y') }}",
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tiny_llama(tmp_path / "model", texts=["some words", "一些词"])


@pytest.mark.parametrize("answer", [False, True])
@pytest.mark.parametrize("talk", TALKS)
@pytest.mark.parametrize("template", [*TEMPLATES, None])
def test_the_text_is_that_of_transformers(folder: Path, template: str | None, talk: Any, answer: bool) -> None:
    if template is not None:
        (folder / "chat_template.jinja").write_text(template, "utf-8")
    light, theirs = light_tokenizer(folder), AutoTokenizer.from_pretrained(folder)
    assert light is not None and light.get_chat_template() == theirs.get_chat_template()
    options: Any = {"tokenize": False, "add_generation_prompt": answer}
    assert light.apply_chat_template(talk, **options) == theirs.apply_chat_template(talk, **options)
    assert light.added_tokens_decoder.keys() == theirs.added_tokens_decoder.keys()


def test_an_own_refusal_and_what_a_sandbox_forbids() -> None:
    with pytest.raises(TemplateError, match="roles must alternate"):
        rendered("{{ raise_exception('roles must alternate') }}", TALKS[0], {})
    for escape in ("{{ ''.__class__.__mro__ }}", "{{ messages.append(1) }}"):
        with pytest.raises(SecurityError):
            rendered(escape, TALKS[0], {})


@pytest.mark.parametrize(
    "settings",
    [
        {"chat_template": [{"name": "default", "template": "a"}, {"name": "tool_use", "template": "b"}]},
        {"chat_template": "{% for m in messages %}{%- generation -%}{{ m.content }}{% endgeneration %}{% endfor %}"},
        {"clean_up_tokenization_spaces": True},
    ],
)
def test_what_only_transformers_knows_is_left_to_it(folder: Path, settings: dict[str, Any]) -> None:
    path = folder / "tokenizer_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), **settings}), "utf-8")
    assert light_tokenizer(folder) is None


def test_no_template(tmp_path: Path) -> None:
    assert template_of(tmp_path, {}) is None
