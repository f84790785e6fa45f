/** Looking through a text for personal data: select a place, say what it is, take it out; nothing is gone before handing in. */
import * as keys from "../web/keys.js";
import { added, cut, places, runs, trimmed } from "./spans.js";
import { t } from "../web/words.js";

const by = (id) => document.getElementById(id);

export class Review {
  constructor(task, draft, changed) {
    this.task = task;
    this.draft = draft;
    this.changed = changed;
    const { shown, found } = places(task.text);
    this.found = found;
    by("source").value = shown;
    by("looked").checked = draft.content.looked ?? false;
    by("unusable").checked = draft.content.unusable ?? false;
    this.listen();
    this.show();
  }

  /** What is taken out; a program's findings are where a person begins. */
  get spans() {
    return this.draft.content.redactions ?? this.task.found;
  }

  missing() {
    return by("looked").checked ? [] : [t("desk.missing.looked")];
  }

  answer() {
    return { review: { before: this.task.before, redactions: this.spans, is_usable: !by("unusable").checked } };
  }

  listen() {
    by("take-out").addEventListener("click", () => this.takeOut());
    // Not `readonly`: browsers then move no cursor, and nothing could be selected by keys. It takes no text all the same,
    // so that a letter is free for a shortcut in it.
    by("source").addEventListener("beforeinput", (event) => event.preventDefault());
    by("source").addEventListener("keydown", (event) => {
      if (event.key !== "r" || event.ctrlKey || event.altKey || event.metaKey || !keys.areOn()) return;
      event.preventDefault();
      this.takeOut();
    });
    for (const name of ["looked", "unusable"]) {
      by(name).addEventListener("change", () => this.changed({ [name]: by(name).checked }));
    }
  }

  takeOut() {
    const { selectionStart, selectionEnd } = by("source");
    const span = trimmed(this.task.text, { start: this.found[selectionStart], end: this.found[selectionEnd] });
    if (span === null) {
      this.say(t("desk.review.select"));
      return;
    }
    this.keep(added(this.spans, { ...span, kind: by("personal").value }));
    this.say(t("desk.review.taken", { text: cut(this.task.text, span) }));
  }

  keep(spans) {
    this.changed({ redactions: spans });
    this.show();
  }

  say(text) {
    by("said").textContent = text;
  }

  show() {
    const { spans } = this;
    by("nothing-taken").hidden = spans.length > 0;
    by("redactions").replaceChildren(...spans.map((span) => this.row(span)));
    by("after").replaceChildren(...runs(this.task.text, spans).map(run));
  }

  row(span) {
    const text = cut(this.task.text, span);
    const item = document.createElement("li");
    const shown = document.createElement("span");
    shown.className = "text";
    shown.textContent = text;
    const menu = by("personal").cloneNode(true);
    menu.removeAttribute("id");
    menu.setAttribute("aria-label", t("desk.review.kind", { text }));
    menu.value = span.kind;
    menu.addEventListener("change", () =>
      this.keep(this.spans.map((other) => (other.start === span.start ? { ...span, kind: menu.value } : other))),
    );
    const back = document.createElement("button");
    back.type = "button";
    back.textContent = t("desk.review.back");
    back.setAttribute("aria-label", t("desk.review.back_one", { text }));
    back.addEventListener("click", () => {
      this.keep(this.spans.filter((other) => other.start !== span.start));
      this.say(t("desk.review.stays", { text }));
      by("source").focus();
    });
    item.append(shown, menu, back);
    return item;
  }
}

function run({ text, kind }) {
  const made = document.createElement(kind === null ? "span" : "mark");
  made.textContent = text;
  return made;
}
