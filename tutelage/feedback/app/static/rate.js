/** The rate pass: one output at a time, a quality from 1 to 7 and flags that are yes, no or not answered. */
import * as keys from "./keys.js";
import { t } from "./words.js";

const by = (id) => document.getElementById(id);

export class RatePass {
  constructor(task, draft, changed) {
    this.task = task;
    this.draft = draft;
    this.changed = changed;
    this.at = 0;
    this.isNeeded = task.kind === "rate";
    this.watchers = [];
    this.dots = [...by("dots").querySelectorAll("button")];
    this.outputs = [...by("outputs").children];
    this.scrolls = task.outputs.map(() => 0);
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
    this.dots.forEach((dot, place) => dot.addEventListener("click", () => this.go(place)));
    by("previous").addEventListener("click", () => this.go(this.at - 1));
    by("next").addEventListener("click", () => this.go(this.at + 1));
    by("none").addEventListener("click", () => this.none());
    by("clear").addEventListener("click", () => this.clear());
    for (const radio of document.querySelectorAll("input[name=quality]")) {
      radio.addEventListener("change", () => this.setQuality(Number(radio.value)));
    }
    const actions = {
      j: () => this.go(this.at + 1),
      k: () => this.go(this.at - 1),
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

  /** Show another output, where its reader left it. */
  go(place) {
    if (place < 0 || place >= this.task.outputs.length) return;
    this.scrolls[this.at] = window.scrollY;
    this.at = place;
    this.show();
    window.scrollTo(0, this.scrolls[place]);
  }

  keep(rating) {
    this.changed({ ratings: { ...this.ratings, [this.task.outputs[this.at]]: rating } });
    this.show();
    for (const watch of this.watchers) watch();
  }

  get current() {
    return this.rating(this.task.outputs[this.at]);
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
    const { [this.task.outputs[this.at]]: _, ...others } = this.ratings;
    this.changed({ ratings: others });
    this.show();
    for (const watch of this.watchers) watch();
  }

  /** A question from here is about the output on the screen. */
  askAboutThis() {
    by("ask").search = new URLSearchParams({ draft: this.task.draft, output: this.task.outputs[this.at] });
  }

  show() {
    const letter = this.task.letters[this.at];
    const { quality, flags } = this.current;
    this.outputs.forEach((output, place) => {
      output.hidden = place !== this.at;
    });
    this.dots.forEach((dot, place) => {
      const done = this.rating(this.task.outputs[place]).quality !== null;
      dot.classList.toggle("done", done);
      dot.setAttribute("aria-label", t(done ? "desk.dot.done" : "desk.dot.open", { letter: this.task.letters[place] }));
      if (place === this.at) dot.setAttribute("aria-current", "true");
      else dot.removeAttribute("aria-current");
    });
    by("judged").textContent = t("desk.judged", { letter });
    for (const radio of document.querySelectorAll("input[name=quality]")) radio.checked = Number(radio.value) === quality;
    for (const flag of document.querySelectorAll("[data-flag]")) {
      const value = flags[flag.dataset.flag] ?? null;
      for (const button of flag.querySelectorAll("button")) {
        button.setAttribute("aria-pressed", String(value !== null && (button.value === "yes") === value));
      }
    }
    this.askAboutThis();
    by("previous").disabled = this.at === 0;
    by("next").disabled = this.at === this.task.outputs.length - 1;
  }
}
