/** Two answers to one prompt, shown together; a vote; and only then the names. */
import { Refused, ask } from "../web/server.js";
import { learn, t } from "../web/words.js";
import * as legend from "./legend.js";

const SIDES = ["left", "right"];
const CHOICES = ["left", "right", "tie", "both_bad"];
const by = (id) => document.getElementById(id);
const desk = by("desk");
learn(desk.dataset.words);

let running = null;
/** The id of the comparison that waits for a vote, "" for none. */
let open = "";
/** The prompt of the answers that are shown. */
let asked = "";

async function compare(prompt) {
  if (running) return;
  if (!prompt.trim()) return tell(t("side.status.empty"));
  running = new AbortController();
  begin();
  try {
    const found = await ask("POST", `${desk.dataset.address}answers`, { prompt }, running.signal);
    asked = prompt;
    show(found);
    tell(t("side.status.there"));
  } catch (error) {
    tell(running.signal.aborted ? t("side.status.stopped") : told(error));
  } finally {
    running = null;
    by("stop").disabled = true;
    by("send").disabled = false;
  }
}

function begin() {
  open = "";
  by("result").hidden = true;
  by("stop").disabled = false;
  by("send").disabled = true;
  tell(t("side.status.asked"));
}

function show(found) {
  open = found.id;
  for (const side of SIDES) {
    by(`${side}-name`).textContent = t(`side.${side}`);
    const { text, finish_reason } = found[side];
    by(side).textContent = text || t("side.empty");
    const isCut = finish_reason === "length" || finish_reason === "content_filter";
    by(`${side}-told`).textContent = isCut ? t(`side.ended.${finish_reason}`) : "";
  }
  by("vote").reset();
  by("vote").hidden = false;
  by("again").hidden = true;
  by("result").hidden = false;
}

async function vote(choice) {
  if (!open) return false;
  const reasons = [...by("vote").querySelectorAll("[name=reason]:checked")].map((box) => box.value);
  try {
    const named = await ask("POST", `${desk.dataset.address}votes`, { id: open, choice, reasons });
    open = "";
    for (const side of SIDES) by(`${side}-name`).textContent = `${t(`side.${side}`)}: ${named[side].arm}`;
    for (const side of SIDES) by(`${side}-told`).textContent = named[side].model;
    by("vote").hidden = true;
    by("again").hidden = false;
    by("again").focus();
    tell(t("side.status.voted", { left: named.left.arm, right: named.right.arm }));
  } catch (error) {
    tell(told(error));
  }
}

function told(error) {
  return error instanceof Refused ? error.message : t("side.status.away");
}

function tell(text) {
  by("status").textContent = text;
}

by("ask").addEventListener("submit", (event) => {
  event.preventDefault();
  compare(by("prompt").value);
});
by("vote").addEventListener("submit", (event) => {
  event.preventDefault();
  if (event.submitter) vote(event.submitter.value);
});
by("stop").addEventListener("click", () => running?.abort());
by("again").addEventListener("click", () => compare(asked));
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && !document.querySelector("dialog[open]")) running?.abort();
  if (event.key === "Enter" && event.ctrlKey && event.target === by("prompt")) by("ask").requestSubmit();
});
legend.install(Object.fromEntries(CHOICES.map((choice, index) => [index + 1, () => vote(choice)])));
// Until here a press would send the form itself, to nowhere.
by("send").disabled = false;
