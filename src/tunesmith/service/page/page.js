// The page at /: lists products, builds a form from a request's fields, shows the answer and code to copy.
// Text only ever becomes text: nothing a model or a client says is parsed as HTML.
"use strict";

const words = JSON.parse(document.getElementById("words").textContent);
const chinese = document.documentElement.lang === "zh";
const at = (id) => document.getElementById(id);
const state = { key: "", product: null, tab: "curl", body: {} };

function made(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value !== false && value != null) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child != null));
  return node;
}

function notice(text) {
  at("notice").hidden = !text;
  at("notice").textContent = text;
}

async function call(path, body) {
  const headers = state.key ? { authorization: `Bearer ${state.key}` } : {};
  if (body !== undefined) headers["content-type"] = "application/json";
  const options = { method: body === undefined ? "GET" : "POST", headers, body: body && JSON.stringify(body) };
  const answer = await fetch(path, options);
  return { status: answer.status, told: await answer.json() };
}

// ---- what is served ----

async function load() {
  notice("");
  let found;
  try {
    found = await call("/page/products");
  } catch {
    return notice(words.away);
  }
  at("key-form").hidden = found.status !== 401 && !state.key;
  at("main").hidden = found.status !== 200 || !found.told.products.length;
  if (found.status === 401) return notice(state.key ? words.bad_key : words.need_key);
  if (found.status !== 200) return notice(found.told.error ? found.told.error.message : words.away);
  if (!found.told.products.length) return notice(words.none);
  const wanted = decodeURIComponent(location.hash.slice(1));
  at("products").replaceChildren(...found.told.products.map((product) =>
    made("li", {}, made("button", { type: "button", "data-name": product.name, onclick: () => choose(product) },
      product.name, made("small", {}, product.task)))));
  choose(found.told.products.find((product) => product.name === wanted) || found.told.products[0]);
}

function choose(product) {
  state.product = product;
  history.replaceState(null, "", `${location.search}#${encodeURIComponent(product.name)}`);
  for (const button of at("products").querySelectorAll("button"))
    button.setAttribute("aria-current", String(button.dataset.name === product.name));
  at("products").querySelector("[aria-current=true]").scrollIntoView({ block: "nearest", inline: "nearest" });
  const facts = [product.task, `${words.version} ${product.version}`, `${words.runtime} ${product.runtime}`,
    `${product.max_length} ${words.length}`];
  at("about").replaceChildren(
    made("div", { class: "name" }, product.name),
    product.summary ? made("div", {}, product.summary) : "",
    made("ul", { class: "facts" }, ...facts.map((fact) => made("li", {}, fact))),
    labels(product) || "");
  at("answer").hidden = true;
  if (product.chat) chatForm(product);
  else form(product);
  code();
}

function labels(product) {
  if (!product.label_count) return null;
  const rest = product.label_count - product.labels.length;
  return made("details", { class: "labels", open: product.label_count <= 12 },
    made("summary", {}, `${words.labels} (${product.label_count})`),
    made("ul", {}, ...product.labels.map((label) => made("li", {}, label)),
      rest ? made("li", {}, `+ ${rest} ${words.more}`) : null));
}

// ---- the form ----

function form(product) {
  const own = product.fields.map((field) => [field, control(field, product.example[field.name])]);
  const first = ([field]) => field.required || field.name in product.example;
  const shown = own.filter(first).map(([, node]) => node);
  const hidden = own.filter((one) => !first(one)).map(([, node]) => node);
  at("try").replaceChildren(...shown,
    hidden.length ? made("details", { class: "field" }, made("summary", {}, words.optional), made("p"), ...hidden) : "",
    made("p", { class: "error", id: "wrong", role: "alert", hidden: true }),
    made("button", { id: "ask" }, words.ask));
  read();
}

function control(field, value) {
  const id = `field-${field.name}`;
  const more = { lines: words.one_a_line, json: words.as_json }[field.kind];
  const common = { id, name: field.name, "data-kind": field.kind };
  let input;
  if (field.kind === "choice")
    input = made("select", common, ...(field.required ? [] : [made("option", { value: "" }, "–")]),
      ...field.choices.map((choice) => made("option", { value: choice }, choice)));
  else if (field.kind === "yes") input = made("input", { ...common, type: "checkbox" });
  else if (field.kind === "number") input = made("input", { ...common, type: "number", step: "any" });
  else input = made("textarea", { ...common, rows: field.kind === "text" ? 3 : 2, class: field.kind, spellcheck: "false" });
  if (value !== undefined && value !== null) {
    if (field.kind === "yes") input.checked = value;
    else if (field.kind === "lines") input.value = value.join("\n");
    else if (field.kind === "json" && typeof value !== "string") input.value = JSON.stringify(value);
    else input.value = value;
  }
  return made("div", { class: "field" },
    made("label", { for: id }, `${field.title[chinese ? 1 : 0]} `, more ? made("small", {}, more) : null), input);
}

function read() {
  if (state.product.chat) return readChat();
  // What the form says; a text that is no JSON where both may stand is the text itself.
  const body = {};
  let wrong = "";
  for (const input of at("try").querySelectorAll("[data-kind]")) {
    const kind = input.dataset.kind;
    const text = input.value;
    if (kind === "yes") { if (input.checked) body[input.name] = true; continue; }
    if (!text.trim()) continue;
    if (kind === "number") body[input.name] = Number(text);
    else if (kind === "lines") body[input.name] = text.split("\n").filter((line) => line.trim());
    else if (kind === "json") {
      try { body[input.name] = JSON.parse(text); }
      catch { if (/^\s*[[{]/.test(text)) wrong = `${input.name}: ${words.bad_json}`; else body[input.name] = text; }
    } else body[input.name] = text;
  }
  at("wrong").hidden = !wrong;
  at("wrong").textContent = wrong;
  state.body = body;
  return !wrong;
}

async function ask(event) {
  event.preventDefault();
  if (state.product.chat) return say();
  if (!read()) return;
  const product = state.product;
  const body = state.body;
  at("ask").disabled = true;
  at("ask").textContent = words.asking;
  const began = performance.now();
  try {
    const found = await call(`/v1/predict/${encodeURIComponent(product.name)}`, body);
    if (state.product === product) answer(found, body, performance.now() - began);
  } catch {
    notice(words.away);
  } finally {
    at("ask").disabled = false;
    at("ask").textContent = words.ask;
  }
}

// ---- the answer ----

function answer({ status, told }, body, took) {
  at("answer").hidden = false;
  const raw = made("pre", { hidden: true }, JSON.stringify(told, null, 2));
  const view = status === 200 ? made("div", {}, ...readable(told.prediction, body)) : failed(status, told);
  const tabs = [[words.readable, view], [words.json, raw]].map(([name, part], number, all) =>
    made("button", { type: "button", role: "tab", "aria-selected": String(!number), onclick: (event) => {
      for (const [, other] of all) other.hidden = other !== part;
      for (const tab of event.target.parentNode.children) tab.setAttribute("aria-selected", String(tab === event.target));
    } }, name));
  const flags = (told.flags || []).map((flag) => `${flag.filter} (${flag.action})`).join(", ");
  const cost = told.usage ? ` · ${told.usage.tokens} ${words.tokens}` : "";
  at("answer").replaceChildren(
    made("div", { class: "head" }, made("h2", {}, words.answer), made("div", { class: "tabs", role: "tablist" }, ...tabs)),
    view, raw, flags ? made("p", { class: "flags" }, `${words.flagged}: ${flags}`) : "",
    made("p", { class: "took" }, `${Math.round(took)} ${words.took}${cost}${told.request_id ? ` · ${told.request_id}` : ""}`));
}

function failed(status, told) {
  const error = told.error || { message: "", code: status };
  return made("div", {}, made("p", { class: "error" }, `${status} ${error.code}`), made("p", {}, error.message));
}

function readable(prediction, body) {
  const parts = [];
  const { label, labels, score, scores, spans, roles, answer: found, value, vector, text, relation } = prediction;
  const headline = label ?? relation ?? (labels && (labels.join(", ") || words.nothing)) ?? value ?? found ?? text;
  if (headline !== undefined && headline !== null)
    parts.push(made("p", { class: "big" }, typeof headline === "number" ? String(+headline.toPrecision(5)) : String(headline)));
  const context = body.context ?? body.text;
  const places = spans || roles || (found && Number.isInteger(prediction.start) ? [{ ...prediction, label: "" }] : null);
  if (places && typeof context === "string") parts.push(marked(context, places));
  for (const one of prediction.relations || [])
    parts.push(made("p", {}, `${spans[one.head].text} — ${one.label} → ${spans[one.tail].text}`));
  for (const [name, one] of Object.entries(prediction.answers || {}))
    parts.push(made("h3", {}, name), ...readable(one, body));
  if (Array.isArray(scores)) parts.push(bars((body.choices || scores.map((_, i) => i)).map((name, i) => [String(name), scores[i]])));
  else if (scores) parts.push(bars(Object.entries(scores)));
  else if (typeof score === "number") parts.push(bars([[words.score, score]]));
  if (Array.isArray(vector))
    parts.push(made("p", {}, `[${vector.slice(0, 6).map((n) => n.toFixed(4)).join(", ")}, …] ${vector.length} ${words.numbers}`));
  return parts.length ? parts : [made("pre", {}, JSON.stringify(prediction, null, 2))];
}

function bars(pairs) {
  const best = pairs.filter(([, score]) => typeof score === "number").sort((a, b) => b[1] - a[1]).slice(0, 8);
  return made("dl", { class: "bars" }, ...best.flatMap(([name, score]) => [
    made("dt", {}, name), made("dd", {}, made("meter", { min: 0, max: 1, value: Math.max(0, Math.min(1, score)) }, "")),
    made("dd", { class: "number" }, score.toFixed(3))]));
}

function marked(text, spans) {
  // Offsets count code points, as Python does; JavaScript counts UTF-16.
  const points = Array.from(text);
  const kinds = [...new Set(spans.map((span) => span.label))];
  const out = made("p", { class: "marked" });
  let end = 0;
  for (const span of [...spans].sort((a, b) => a.start - b.start)) {
    if (span.start < end || span.end <= span.start) continue;
    out.append(points.slice(end, span.start).join(""), made("mark", { class: `k${kinds.indexOf(span.label) % 4}` },
      points.slice(span.start, span.end).join(""), span.label ? made("small", {}, span.label) : null));
    end = span.end;
  }
  out.append(points.slice(end).join(""));
  return out;
}

// ---- code to copy ----

const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`; // for a shell
const python = (value, indent = "") => { // JSON as a Python literal
  if (value === true) return "True";
  if (value === false) return "False";
  if (value === null) return "None";
  if (Array.isArray(value)) return `[${value.map((one) => python(one)).join(", ")}]`;
  if (typeof value === "object")
    return `{${Object.entries(value).map(([name, one]) => `${JSON.stringify(name)}: ${python(one)}`).join(", ")}}`;
  return JSON.stringify(value);
};

function examples() {
  if (state.product.chat) return chatExamples();
  const { product, body } = state;
  const origin = location.origin;
  const path = `/v1/predict/${product.name}`;
  const keyed = !at("key-form").hidden;
  const header = keyed ? ` \\\n  -H "Authorization: Bearer $TUNESMITH_KEY"` : "";
  const environment = keyed ? "import os\n" : "";
  const sent = keyed ? `{"Authorization": "Bearer " + os.environ["TUNESMITH_KEY"]}` : "{}";
  const key = keyed ? `os.environ["TUNESMITH_KEY"]` : `"none"`;
  const openai = product.task === "text-embedding" && body.text && !body.text_pair
    ? `answer = client.embeddings.create(model=${python(product.name)}, input=${python(body.text)})\nprint(len(answer.data[0].embedding))`
    : `answer = client.post(${python(`/predict/${product.name}`)}, body=${python(body)}, cast_to=object)\nprint(answer["prediction"])`;
  return {
    curl: `curl ${origin}${path}${header} \\\n  -H "Content-Type: application/json" \\\n  -d ${quoted(JSON.stringify(body))}`,
    Python: `import json\n${environment}import urllib.request\n\nrequest = urllib.request.Request(\n    ${python(origin + path)},\n`
      + `    json.dumps(${python(body)}).encode(),\n    {"Content-Type": "application/json", **${sent}},\n)\n`
      + `with urllib.request.urlopen(request) as answer:\n    print(json.load(answer)["prediction"])`,
    httpx: `${environment}import httpx\n\nanswer = httpx.post(\n    ${python(origin + path)},\n    json=${python(body)},\n    headers=${sent},\n)\n`
      + `answer.raise_for_status()\nprint(answer.json()["prediction"])`,
    openai: `${environment}from openai import OpenAI\n\nclient = OpenAI(base_url=${python(`${origin}/v1`)}, api_key=${key})\n${openai}`,
    [words.file]: `# ${words.file_steps}\n`
      + `curl ${origin}/v1/files${header} -F file=@rows.csv\n`
      + `curl ${origin}/v1/batches${header} \\\n  -H "Content-Type: application/json" -d ${quoted(JSON.stringify({ product: product.name, file: "file_…" }))}\n`
      + `curl ${origin}/v1/batches/batch_…${header}\ncurl ${origin}/v1/batches/batch_…/output${header}`,
  };
}

function code() {
  const all = examples();
  if (!(state.tab in all)) state.tab = "curl";
  at("tabs").replaceChildren(...Object.keys(all).map((name) => made("button", {
    type: "button", role: "tab", "aria-selected": String(name === state.tab), onclick: () => { state.tab = name; code(); },
  }, name)));
  at("code").textContent = all[state.tab];
}

async function copy() {
  try { await navigator.clipboard.writeText(at("code").textContent); }
  catch { getSelection().selectAllChildren(at("code")); document.execCommand("copy"); }
  at("copy").textContent = words.copied;
  setTimeout(() => { at("copy").textContent = words.copy; }, 1200);
}

at("try").addEventListener("submit", ask);
at("try").addEventListener("input", () => { read(); code(); });
at("copy").addEventListener("click", copy);
at("key-form").addEventListener("submit", (event) => { event.preventDefault(); state.key = at("key").value.trim(); load(); });
at("language").addEventListener("click", () => { at("language").href += location.hash; });
load();
