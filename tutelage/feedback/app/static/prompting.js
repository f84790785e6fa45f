/** A prompt that a labeler writes: its use case and text, and for a few-shot one its queries and responses. */
import { t } from "../web/words.js";

const by = (id) => document.getElementById(id);
const LEAST = 2;

export class Prompting {
  constructor(task, draft, changed) {
    this.task = task;
    this.draft = draft;
    this.changed = changed;
    const { written, useCase } = draft.content;
    by("use-case").value = useCase ?? task.use_case;
    by("written").value = written ?? "";
    this.listen();
    this.showPairs();
    this.showLength();
  }

  get isFewShot() {
    return this.task.form === "few_shot";
  }

  get pairs() {
    const blank = Array.from({ length: LEAST }, () => ["", ""]);
    return this.isFewShot ? (this.draft.content.pairs ?? blank) : [];
  }

  missing() {
    const found = [];
    if (by("use-case").value === "") found.push(t("desk.missing.use_case"));
    if (by("written").value.trim() === "") found.push(t("desk.missing.prompt"));
    const open = this.pairs.filter((pair) => pair.some((part) => part.trim() === "")).length;
    if (open > 0) found.push(t("desk.missing.pairs", { open, total: this.pairs.length }));
    return found;
  }

  answer() {
    return { written: { use_case: by("use-case").value, text: by("written").value, pairs: this.pairs } };
  }

  listen() {
    by("use-case").addEventListener("change", () => this.changed({ useCase: by("use-case").value }));
    by("written").addEventListener("input", () => {
      this.changed({ written: by("written").value });
      this.showLength();
    });
    by("add-pair")?.addEventListener("click", () => {
      this.keep([...this.pairs, ["", ""]]);
      by("pairs").lastElementChild.querySelector("textarea").focus();
    });
  }

  keep(pairs) {
    this.changed({ pairs });
    this.showPairs();
  }

  showLength() {
    const words = by("written").value.trim().split(/\s+/).filter(Boolean).length;
    by("length").textContent = t("desk.words", { words });
  }

  showPairs() {
    if (!this.isFewShot) return;
    by("pairs").replaceChildren(...this.pairs.map((pair, number) => this.fields(pair, number)));
    by("add-pair").disabled = this.pairs.length >= this.task.most_pairs;
  }

  fields(pair, number) {
    const set = document.createElement("fieldset");
    set.className = "card";
    const legend = document.createElement("legend");
    legend.textContent = t("desk.pair", { number: number + 1 });
    set.append(legend, this.field(number, 0, pair[0]), this.field(number, 1, pair[1]));
    if (this.pairs.length > LEAST) set.append(this.remover(number));
    return set;
  }

  field(number, part, value) {
    const label = document.createElement("label");
    label.textContent = t(part === 0 ? "desk.pair.query" : "desk.pair.response");
    const text = document.createElement("textarea");
    text.className = "text";
    text.rows = 2;
    text.value = value;
    text.addEventListener("input", () => {
      // The fields stay: making them anew would take the focus away.
      const next = this.pairs.map((pair) => [...pair]);
      next[number][part] = text.value;
      this.changed({ pairs: next });
    });
    label.append(text);
    return label;
  }

  remover(number) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = t("desk.pair.remove", { number: number + 1 });
    button.addEventListener("click", () => {
      this.keep(this.pairs.filter((_, other) => other !== number));
      by("add-pair").focus();
    });
    return button;
  }
}
