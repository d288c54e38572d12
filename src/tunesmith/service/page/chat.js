// The form of a product that chats: messages, the answer as it is written, and code to copy. page.js has the rest.
"use strict";

const chatting = { messages: [], system: "", asking: null };

function chatForm(product) {
  if (chatting.asking) chatting.asking.abort();
  Object.assign(chatting, { messages: [], system: "", asking: null });
  const [last] = product.example.messages.slice(-1);
  at("try").replaceChildren(
    made("div", { id: "talk", role: "log", "aria-live": "polite" }),
    made("details", { class: "field" }, made("summary", {}, words.system),
      made("textarea", { id: "system", rows: 2, "aria-label": words.system })),
    made("div", { class: "field" }, made("label", { for: "said" }, words.message),
      made("textarea", { id: "said", rows: 2, onkeydown: enter }, last.content)),
    made("p", { class: "error", id: "wrong", role: "alert", hidden: true }),
    made("p", { class: "took", id: "took" }),
    made("div", { class: "row" },
      made("button", { id: "ask" }, words.send),
      made("button", { id: "stop", type: "button", hidden: true, onclick: () => chatting.asking.abort() }, words.stop),
      made("button", { id: "again", type: "button", class: "plain", onclick: () => { chatForm(product); code(); } }, words.again)));
  read();
}

function enter(event) {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return; // a Chinese keyboard's Enter chooses a word
  event.preventDefault();
  at("try").requestSubmit();
}

function readChat() {
  const system = at("system").value.trim();
  const said = at("said").value;
  const messages = [...(system ? [{ role: "system", content: system }] : []), ...chatting.messages];
  if (said.trim()) messages.push({ role: "user", content: said });
  state.body = { model: state.product.name, messages };
  return said.trim() !== "";
}

function bubble(role, text) {
  const node = made("p", { class: `said ${role}` }, text);
  at("talk").append(node);
  return node;
}

async function say() {
  if (chatting.asking || !readChat()) return;
  const product = state.product;
  const question = at("said").value;
  const messages = state.body.messages;
  const asking = (chatting.asking = new AbortController());
  busy(true);
  at("wrong").hidden = true;
  bubble("user", question);
  at("said").value = "";
  const node = bubble("assistant", "");
  const told = { text: "", usage: null, began: performance.now(), first: 0, error: null };
  try {
    await stream({ model: product.name, messages, stream: true, stream_options: { include_usage: true } }, asking, told, node);
  } catch (error) {
    if (error.name !== "AbortError") told.error = { message: words.away };
  }
  if (chatting.asking !== asking) return; // another product was chosen, or a new chat begun
  chatting.asking = null;
  busy(false);
  if (told.error) {
    node.previousSibling.remove();
    node.remove();
    at("said").value = question;
    at("wrong").hidden = false;
    at("wrong").textContent = `${told.error.code || ""} ${told.error.message}`;
  } else {
    chatting.messages = [...messages.filter((one) => one.role !== "system"), { role: "assistant", content: told.text }];
    at("took").textContent = measured(told);
  }
  read();
  code();
}

async function stream(body, asking, told, node) {
  const headers = { "content-type": "application/json", ...(state.key ? { authorization: `Bearer ${state.key}` } : {}) };
  const answer = await fetch("/v1/chat/completions", { method: "POST", headers, body: JSON.stringify(body), signal: asking.signal });
  if (!answer.ok) { told.error = (await answer.json()).error; return; }
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const lines = (rest + value).split("\n\n");
    rest = lines.pop();
    for (const line of lines) event(line.replace(/^data: /, ""), told, node);
  }
}

function event(data, told, node) {
  if (data === "[DONE]") return;
  const part = JSON.parse(data);
  if (part.error) { told.error = part.error; return; }
  if (part.usage) told.usage = part.usage;
  for (const choice of part.choices) {
    if (!choice.delta.content) continue;
    told.first = told.first || performance.now();
    told.text += choice.delta.content;
    node.textContent = told.text;
  }
}

function measured(told) {
  if (!told.first) return "";
  const first = `${Math.round(told.first - told.began)} ${words.first}`;
  if (!told.usage) return first;
  const written = told.usage.completion_tokens;
  const speed = (written - 1) / Math.max((performance.now() - told.first) / 1000, 0.001);
  return `${first} · ${written} ${words.tokens} · ${speed.toFixed(1)} ${words.speed}`;
}

function busy(yes) {
  at("ask").disabled = yes;
  at("stop").hidden = !yes;
}

function chatExamples() {
  const { product, body } = state;
  const origin = location.origin;
  const keyed = !at("key-form").hidden;
  const header = keyed ? ` \\\n  -H "Authorization: Bearer $TUNESMITH_KEY"` : "";
  const environment = keyed ? "import os\n" : "";
  const sent = keyed ? `{"Authorization": "Bearer " + os.environ["TUNESMITH_KEY"]}` : "{}";
  const key = keyed ? `os.environ["TUNESMITH_KEY"]` : `"none"`;
  const path = `${origin}/v1/chat/completions`;
  const messages = python(body.messages);
  return {
    curl: `curl -N ${path}${header} \\\n  -H "Content-Type: application/json" \\\n  -d ${quoted(JSON.stringify({ ...body, stream: true }))}`,
    httpx: `${environment}import httpx\n\nanswer = httpx.post(\n    ${python(path)},\n    json=${python(body)},\n    headers=${sent},\n    timeout=120,\n)\n`
      + `answer.raise_for_status()\nprint(answer.json()["choices"][0]["message"]["content"])`,
    openai: `${environment}from openai import OpenAI\n\nclient = OpenAI(base_url=${python(`${origin}/v1`)}, api_key=${key})\n`
      + `stream = client.chat.completions.create(\n    model=${python(product.name)},\n    messages=${messages},\n    stream=True,\n)\n`
      + `for chunk in stream:\n    if chunk.choices:\n        print(chunk.choices[0].delta.content or "", end="", flush=True)`,
  };
}
