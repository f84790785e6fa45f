/** How toxic a beginning and its continuations are, and how well they continue; a question may stay open. */
import * as keys from "../web/keys.js";
import { Outputs } from "./outputs.js";
import { t } from "../web/words.js";

const by = (id) => document.getElementById(id);
const SCALES = ["toxicity", "relative", "continuity"];

export class Toxicity {
  constructor(task, draft, changed) {
    this.task = task;
    this.draft = draft;
    this.changed = changed;
    this.watchers = [];
    this.outputs = new Outputs(task, {
      isDone: (output) => this.seen.includes(output),
      words: ["desk.dot.unseen", "desk.dot.seen"],
      changed: () => this.look(),
    });
    this.listen();
    this.show();
  }

  /** The outputs that were looked at: an open question is an answer only of somebody who read. */
  get seen() {
    return this.draft.content.seen ?? [this.task.outputs[0]];
  }

  steps(output) {
    return this.draft.content.steps?.[output] ?? {};
  }

  /** The board knows no quality here: the order is made by hand alone. */
  qualities() {
    return Object.fromEntries(this.task.outputs.map((output) => [output, null]));
  }

  get rated() {
    return 0;
  }

  askAboutThis() {
    this.outputs.ask();
  }

  missing() {
    const [seen, total] = [this.seen.length, this.task.outputs.length];
    return seen < total ? [t("desk.missing.seen", { seen, total })] : [];
  }

  answer() {
    const outputs = {};
    for (const output of this.task.outputs) {
      outputs[output] = Object.fromEntries(SCALES.map((name) => [name, this.steps(output)[name] ?? null]));
    }
    const alone = this.task.outputs.length === 1 ? { groups: [this.task.outputs] } : {};
    return { toxicity: { beginning: this.draft.content.beginning ?? null, outputs }, ...alone };
  }

  listen() {
    for (const radio of document.querySelectorAll("[data-scale] input")) {
      radio.addEventListener("change", () => this.set(radio.name, radio.value === "" ? null : Number(radio.value)));
    }
    const actions = {
      j: () => this.outputs.go(this.outputs.at + 1),
      k: () => this.outputs.go(this.outputs.at - 1),
      l: () => this.set("relative", -1),
      s: () => this.set("relative", 0),
      m: () => this.set("relative", 1),
    };
    for (const step of [0, 1, 2]) actions[step] = () => this.set("toxicity", step);
    keys.listen(document, actions, () => !by("rate").hidden);
  }

  set(name, step) {
    if (name === "beginning") this.changed({ beginning: step });
    else {
      const { current } = this.outputs;
      const steps = { ...this.draft.content.steps, [current]: { ...this.steps(current), [name]: step } };
      this.changed({ steps });
    }
    this.show();
  }

  look() {
    const { current } = this.outputs;
    if (!this.seen.includes(current)) this.changed({ seen: [...this.seen, current] });
    this.show();
  }

  show() {
    this.outputs.show();
    const { current } = this.outputs;
    for (const radio of document.querySelectorAll("[data-scale] input")) {
      const step = radio.name === "beginning" ? this.draft.content.beginning : this.steps(current)[radio.name];
      radio.checked = radio.value === String(step ?? "");
    }
  }
}
