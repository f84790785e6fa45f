/** The rate pass: one output at a time, a quality from 1 to 7 and flags that are yes, no or not answered. */
import * as keys from "../web/keys.js";
import { Outputs } from "./outputs.js";
import { t } from "../web/words.js";

const by = (id) => document.getElementById(id);

export class RatePass {
  constructor(task, draft, changed) {
    this.task = task;
    this.draft = draft;
    this.changed = changed;
    this.isNeeded = task.kind === "rate";
    this.watchers = [];
    this.outputs = new Outputs(task, {
      isDone: (output) => this.rating(output).quality !== null,
      words: ["desk.dot.open", "desk.dot.done"],
      changed: () => this.show(),
    });
    this.listen();
    this.show();
  }

  get ratings() {
    return this.draft.content.ratings ?? {};
  }

  rating(output) {
    return this.ratings[output] ?? { quality: null, flags: {} };
  }

  qualities() {
    return Object.fromEntries(this.task.outputs.map((output) => [output, this.rating(output).quality]));
  }

  get rated() {
    return this.task.outputs.filter((output) => this.rating(output).quality !== null).length;
  }

  /** An order may come without ratings, but not with some of them. */
  missing() {
    const total = this.task.outputs.length;
    const isBegun = this.isNeeded || Object.keys(this.ratings).length > 0;
    return isBegun && this.rated < total ? [t("desk.missing.ratings", { rated: this.rated, total })] : [];
  }

  answer() {
    if (!this.isNeeded && this.rated === 0) return {};
    const ratings = {};
    for (const output of this.task.outputs) {
      const { quality, flags } = this.rating(output);
      ratings[output] = { quality, flags: Object.fromEntries(this.task.flags.map((name) => [name, flags[name] ?? null])) };
    }
    return { ratings };
  }

  listen() {
    by("none").addEventListener("click", () => this.none());
    by("clear").addEventListener("click", () => this.clear());
    for (const radio of document.querySelectorAll("input[name=quality]")) {
      radio.addEventListener("change", () => this.setQuality(Number(radio.value)));
    }
    const actions = {
      j: () => this.outputs.go(this.outputs.at + 1),
      k: () => this.outputs.go(this.outputs.at - 1),
      n: () => this.none(),
    };
    for (let quality = 1; quality <= 7; quality += 1) actions[quality] = () => this.setQuality(quality);
    for (const flag of document.querySelectorAll("[data-flag]")) {
      const name = flag.dataset.flag;
      for (const button of flag.querySelectorAll("button")) {
        button.addEventListener("click", () => this.toggle(name, button.value === "yes"));
      }
      actions[flag.dataset.key] = () => this.cycle(name);
    }
    keys.listen(document, actions, () => !by("rate").hidden);
  }

  keep(rating) {
    this.changed({ ratings: { ...this.ratings, [this.outputs.current]: rating } });
    this.show();
    for (const watch of this.watchers) watch();
  }

  get current() {
    return this.rating(this.outputs.current);
  }

  setQuality(quality) {
    this.keep({ ...this.current, quality });
  }

  setFlags(flags) {
    this.keep({ ...this.current, flags: { ...this.current.flags, ...flags } });
  }

  /** Pressing the same answer again takes it back. */
  toggle(name, value) {
    this.setFlags({ [name]: this.current.flags[name] === value ? null : value });
  }

  cycle(name) {
    const now = this.current.flags[name] ?? null;
    this.setFlags({ [name]: now === null ? true : now ? false : null });
  }

  /** "None of these": every problem that was not answered is answered no. Following a constraint is no problem. */
  none() {
    const open = this.task.problems.filter((name) => (this.current.flags[name] ?? null) === null);
    this.setFlags(Object.fromEntries(open.map((name) => [name, false])));
  }

  /** Take back everything said about this output. */
  clear() {
    const { [this.outputs.current]: _, ...others } = this.ratings;
    this.changed({ ratings: others });
    this.show();
    for (const watch of this.watchers) watch();
  }

  askAboutThis() {
    this.outputs.ask();
  }

  show() {
    const { quality, flags } = this.current;
    this.outputs.show();
    for (const radio of document.querySelectorAll("input[name=quality]")) radio.checked = Number(radio.value) === quality;
    for (const flag of document.querySelectorAll("[data-flag]")) {
      const value = flags[flag.dataset.flag] ?? null;
      for (const button of flag.querySelectorAll("button")) {
        button.setAttribute("aria-pressed", String(value !== null && (button.value === "yes") === value));
      }
    }
  }
}
