/** The playground: a prompt, the answer as it comes, what became of it, and what somebody thinks of it. */
import { Refused, ask } from "../web/server.js";
import { learn, t } from "../web/words.js";
import { curl, python } from "./code.js";
import * as legend from "./legend.js";
import { stream } from "./stream.js";

const by = (id) => document.getElementById(id);
const desk = by("desk");
learn(desk.dataset.words);
const form = by("ask");
const isChat = () => form.elements.mode.value === "chat";

/** Turns of the conversation before the prompt; the last answer joins them when the next prompt is sent. */
let turns = [];
let running = null;
/** The id of the answer that is shown, "" for none. */
let shown = "";

function settings() {
  const stops = by("stops").value.split("\n").filter((line) => line);
  const seed = by("seed").value;
  return {
    temperature: Number(by("temperature").value),
    max_tokens: Number(by("tokens").value),
    ...(stops.length ? { stop: stops } : {}),
    ...(seed === "" ? {} : { seed: Number(seed) }),
  };
}

function body() {
  const prompt = by("prompt").value;
  const asked = isChat() ? { messages: [...turns, { role: "user", content: prompt }] } : { prompt };
  return { model: by("model").value, ...asked, ...settings() };
}

const path = () => (isChat() ? "/chat/completions" : "/completions");

function showCode() {
  if (!by("code").open) return;
  const base = `${location.origin}/v1`;
  by("curl").textContent = curl(base + path(), body());
  by("python").textContent = python(base, body());
}

function showTurns() {
  by("conversation").hidden = by("new").hidden = turns.length === 0;
  by("turns").replaceChildren(...turns.map(turn));
}

function turn({ role, content }) {
  const made = document.createElement("li");
  const head = made.appendChild(document.createElement("h2"));
  head.textContent = t(`try.${role}`);
  const text = made.appendChild(document.createElement("div"));
  text.className = "text";
  text.textContent = content;
  return made;
}

function forget() {
  turns = [];
  showTurns();
  showCode();
}

/** Show an answer as it comes, as text and nothing else; return how it ended and what it cost. */
async function answer(events) {
  const text = by("answer").appendChild(document.createTextNode(""));
  const found = { text: "", ended: "stopped", usage: { prompt_tokens: 0, completion_tokens: 0 }, model: "" };
  for await (const chunk of events) {
    shown = chunk.id;
    found.model = chunk.model;
    found.usage = chunk.usage ?? found.usage;
    for (const choice of chunk.choices) {
      const piece = choice.text ?? choice.delta?.content ?? "";
      text.appendData(piece);
      found.text += piece;
      found.ended = choice.finish_reason ?? found.ended;
    }
  }
  return found;
}

async function send() {
  if (running) return;
  if (!by("prompt").value.trim()) return tell("status", t("try.status.empty"));
  const asked = body();
  running = new AbortController();
  begin();
  let found = { ended: "error", model: "", usage: { prompt_tokens: 0, completion_tokens: 0 } };
  let told;
  try {
    const request = { ...asked, stream: true, stream_options: { include_usage: true } };
    found = await answer(stream(desk.dataset.api + path(), request, running.signal));
    told = t(found.ended === "stopped" ? "try.status.stopped" : "try.status.ended");
    if (asked.messages && found.ended !== "stopped") converse(asked.messages, found.text);
  } catch (error) {
    told = error instanceof Refused ? error.message : t("try.status.away");
  }
  end();
  tell("status", told);
  await account(shown, found);
}

/** What was said is a part of the next request; it joins the list above when that is sent. */
function converse(messages, text) {
  turns = [...messages, { role: "assistant", content: text }];
  by("new").hidden = false;
  by("prompt").value = "";
}

function begin() {
  showTurns();
  shown = "";
  by("result").hidden = false;
  by("say").hidden = true;
  by("answer").replaceChildren();
  by("answer").setAttribute("aria-busy", "true");
  for (const name of ["facts", "verdict"]) by(name).textContent = "";
  by("stop").disabled = false;
  by("send").disabled = true;
  tell("status", t("try.status.asked"));
}

function end() {
  running = null;
  by("answer").setAttribute("aria-busy", "false");
  by("stop").disabled = true;
  by("send").disabled = false;
  showCode();
}

/** Tell what the log says of the request: tokens, version, what the filter found, and what it may be used for. */
async function account(id, { ended, usage, model }) {
  if (!id) return;
  let row = { ...usage, model };
  try {
    row = await ask("GET", desk.dataset.records + id);
    // Meanwhile the next prompt may be on its way.
    if (id !== shown) return;
    by("verdict").textContent = `${verdict(row)} · ${t(`try.use.${row.data_use}`, { version: row.notice_version })}`;
  } catch {
    // The answer is there; what is known without the log is shown, if that is anything.
    if (!model || id !== shown) return;
  }
  const counts = { prompt: row.prompt_tokens, completion: row.completion_tokens };
  by("facts").textContent = t("try.facts", { ended: t(`try.ended.${ended}`), ...counts, model: row.model });
  by("say").reset();
  by("said").textContent = "";
  by("say").hidden = false;
}

function verdict(row) {
  if (!row.is_filtered) return t("try.filter.off");
  const said = (role) => {
    const severity = t(`try.severity.${row[`${role}_severity`]}`);
    return row.categories[role].length ? `${severity} (${row.categories[role].join(", ")})` : severity;
  };
  return t("try.filter", { prompt: said("prompt"), completion: said("completion") });
}

async function say() {
  const fields = by("say").elements;
  const reasons = [...by("say").querySelectorAll("[name=reason]:checked")].map((box) => box.value);
  const words = { comment: by("comment")?.value.trim(), correction: by("correction")?.value.trim() };
  const said = {
    ...(fields.thumb.value ? { thumb: fields.thumb.value } : {}),
    ...(reasons.length ? { reasons } : {}),
    ...Object.fromEntries(Object.entries(words).filter(([, text]) => text)),
  };
  if (!Object.keys(said).length) return tell("said", t("try.status.nothing"));
  try {
    await ask("POST", `${desk.dataset.api}/feedback`, { request_id: shown, choice: 0, ...said });
    tell("said", t("try.status.kept"));
  } catch (error) {
    tell("said", error instanceof Refused ? error.message : t("try.status.away"));
  }
}

function tell(place, text) {
  by(place).textContent = text;
}

function thumb(value) {
  if (by("say").hidden) return false;
  by("say").elements.thumb.value = value;
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  send();
});
by("say").addEventListener("submit", (event) => {
  event.preventDefault();
  say();
});
by("stop").addEventListener("click", () => running?.abort());
by("new").addEventListener("click", forget);
for (const mode of form.elements.mode) mode.addEventListener("change", forget);
document.addEventListener("input", showCode);
by("code").addEventListener("toggle", showCode);
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && !document.querySelector("dialog[open]")) running?.abort();
  if (event.key === "Enter" && event.ctrlKey && !event.target.closest("#say")) form.requestSubmit();
});
legend.install({ g: () => thumb("up"), b: () => thumb("down") });
// Until here a press would send the form itself, to nowhere.
by("send").disabled = false;
