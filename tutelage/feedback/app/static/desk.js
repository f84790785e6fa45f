/** The page of one piece of work: its draft, its lease, its keys, handing in. What is asked is in the page's parts. */
import { Board } from "./board.js";
import { Clock } from "./clock.js";
import { Draft } from "./draft.js";
import * as keys from "../web/keys.js";
import { flush, handIn } from "./outbox.js";
import { Prompting } from "./prompting.js";
import { RatePass } from "./rate.js";
import { Review } from "./review.js";
import { Refused, ask } from "../web/server.js";
import { claim } from "./tabs.js";
import { Toxicity } from "./toxicity.js";
import { cover, minute } from "./welfare.js";
import { clockTime, learn, t } from "../web/words.js";
import { Writing } from "./writing.js";

const BEAT = 60_000;
/** What each kind of work begins with; a page with a board has it beside. */
const PARTS = {
  demonstrate: Writing,
  rate: RatePass,
  rank: RatePass,
  write: Prompting,
  review: Review,
  toxicity: Toxicity,
};
const by = (id) => document.getElementById(id);
const desk = by("desk");
learn(desk.dataset.words);
const task = JSON.parse(desk.dataset.task);

const draft = new Draft(task, showStatus, hearOfLease);
const parts = [];
let clock = new Clock();
let isGone = false;
let leaseEnds;

function showStatus(name, message = "") {
  const time = draft?.savedAt ? clockTime(draft.savedAt) : "";
  by("saved").textContent = message || t(`desk.status.${name}`, { time });
  if (name === "newer" && !by("newer").open) by("newer").showModal();
}

/** Keep a change of one part, with the time spent so far, and look again at what is missing. */
function changed(part) {
  clock.touch();
  draft.change({ ...part, activeMs: clock.activeMs, idleMs: clock.idleMs });
  showMissing();
}

function showMissing() {
  const missing = parts.flatMap((part) => part.missing());
  by("missing").replaceChildren(...missing.map(item));
  by("warnings").replaceChildren(...parts.flatMap((part) => part.warnings?.() ?? []).map(item));
  by("submit").disabled = missing.length > 0;
}

function item(text) {
  const made = document.createElement("li");
  made.textContent = text;
  return made;
}

/** A correction is a new submission; going on with the same work, after a crash too, is the same one. */
function submissionId() {
  const { submission } = draft.content;
  return submission && submission !== task.supersedes ? submission : crypto.randomUUID();
}

async function submit() {
  if (by("submit").disabled || by("work").inert || document.querySelector("dialog[open]")) return;
  clock.count();
  const id = submissionId();
  const answer = Object.assign({}, ...parts.map((part) => part.answer()));
  const times = { active_ms: Math.round(clock.activeMs), idle_ms: Math.round(clock.idleMs) };
  const body = { id, ...answer, note: by("note").value, supersedes: task.supersedes, ...times };
  // The draft knows the id before the server does, so that the same work never counts twice.
  await draft.change({ submission: id });
  await draft.save();
  if (draft.isParted) return;
  by("work").inert = true;
  say(t("desk.sending"));
  try {
    const handed = await handIn(task.who, `/work/${task.draft}/submission`, body);
    if (handed === null) return wait();
    await leave(handed.next);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    by("work").inert = false;
    say(error.message);
  }
}

/** The submission is in the outbox: go on trying, and say so. */
function wait() {
  say(t("desk.waiting"));
  const again = async () => {
    if (isGone) return;
    if ((await flush(task.who)) === 0) await leave("/");
    else setTimeout(again, 10_000);
  };
  setTimeout(again, 10_000);
  window.addEventListener("online", again, { once: true });
}

async function leave(address) {
  isGone = true;
  await draft.forget();
  location.assign(address);
}

function say(text) {
  by("notice").textContent = text;
  by("notice").hidden = false;
}

/** Renew the lease while somebody is there. */
async function beat() {
  if (!clock.isActive || isGone || !isHeld()) return;
  try {
    hearOfLease(await ask("POST", `/work/${task.draft}/lease`));
  } catch (error) {
    if (error instanceof Refused && error.code === "lease_over") say(error.message);
  }
}

/** Say so at once when the lease is lost, and look again at the moment at which it would end. */
function hearOfLease({ is_leased: isLeased, lease_seconds: seconds }) {
  clearTimeout(leaseEnds);
  if (isGone || !isHeld()) return;
  if (!isLeased) return say(t("desk.lease_over"));
  leaseEnds = setTimeout(() => (clock.isActive ? beat() : say(t("desk.lease_over"))), seconds * 1000);
}

function isHeld() {
  return ["offered", "open"].includes(task.state);
}

function listen() {
  for (const name of ["keydown", "pointermove", "pointerdown", "scroll"]) {
    window.addEventListener(name, () => clock.touch(), { passive: true, capture: true });
  }
  document.addEventListener("visibilitychange", () => {
    clock.show(!document.hidden);
    if (document.hidden) draft.save();
    else beat();
  });
  window.addEventListener("online", () => draft.save());
  window.addEventListener("beforeunload", (event) => {
    if (draft.isDirty && !isGone) event.preventDefault();
  });
  setInterval(beat, BEAT);
  setInterval(() => minute(clock.isActive), BEAT);
  by("submit").addEventListener("click", submit);
  by("note").addEventListener("input", () => changed({ note: by("note").value }));
  by("keep-mine").addEventListener("click", async () => {
    by("newer").close();
    await draft.keepMine();
  });
  by("take-theirs").addEventListener("click", async () => {
    isGone = true;
    await draft.forget();
    location.reload();
  });
}

function listenToKeys() {
  const toggle = by("single-keys");
  toggle.checked = keys.areOn();
  toggle.addEventListener("change", () => keys.setOn(toggle.checked));
  for (const [opener, dialog] of [["open-legend", "legend"], ["open-skip", "skip"]]) {
    by(opener)?.addEventListener("click", () => by(dialog).showModal());
  }
  for (const closer of document.querySelectorAll("[data-close]")) {
    closer.addEventListener("click", () => closer.closest("dialog").close());
  }
  keys.listen(document, {
    "?": () => by("legend").showModal(),
    p: () => {
      if (by("prompt")) by("prompt").open = !by("prompt").open;
    },
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) submit();
  });
}

/** Build the parts that this kind of work has; ratings tell the board what the labeler thought. */
function build() {
  clock = new Clock(draft.content.activeMs, draft.content.idleMs);
  by("note").value = draft.content.note ?? "";
  parts.push(new PARTS[task.kind](task, draft, changed));
  if (by("rank")) parts.push(new Board(task, draft, changed, parts[0]));
}

async function begin() {
  await draft.open();
  build();
  listen();
  listenToKeys();
  showMissing();
  hearOfLease({ is_leased: true, lease_seconds: task.lease_seconds });
  by("work").inert = task.state === "skipped";
  if (task.contents.length > 0) cover(task, draft);
  minute(true);
  by("work").hidden = false;
  await flush(task.who);
}

claim(`work-${task.draft}`, begin, () => {
  draft.stop();
  by("work").inert = true;
  by("elsewhere").hidden = false;
});
