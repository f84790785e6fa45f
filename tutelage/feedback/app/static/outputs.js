/** Outputs one at a time: dots, next and previous, where a reader left each one, and what a question is about. */
import { t } from "../web/words.js";

const by = (id) => document.getElementById(id);

export class Outputs {
  /** `isDone` says of an output whether its dot is ticked, `words` how that is called, `changed` shows another one. */
  constructor(task, { isDone, words, changed }) {
    this.task = task;
    this.isDone = isDone;
    this.words = words;
    this.changed = changed;
    this.at = 0;
    this.dots = [...by("dots").querySelectorAll("button")];
    this.articles = [...by("outputs").children];
    this.scrolls = task.outputs.map(() => 0);
    this.dots.forEach((dot, place) => dot.addEventListener("click", () => this.go(place)));
    by("previous").addEventListener("click", () => this.go(this.at - 1));
    by("next").addEventListener("click", () => this.go(this.at + 1));
  }

  get current() {
    return this.task.outputs[this.at];
  }

  /** Show another output, where its reader left it. */
  go(place) {
    if (place < 0 || place >= this.task.outputs.length) return;
    this.scrolls[this.at] = window.scrollY;
    this.at = place;
    this.changed();
    window.scrollTo(0, this.scrolls[place]);
  }

  /** A question from here is about the output on the screen. */
  ask() {
    by("ask").search = new URLSearchParams({ draft: this.task.draft, output: this.current });
  }

  show() {
    this.articles.forEach((article, place) => {
      article.hidden = place !== this.at;
    });
    this.dots.forEach((dot, place) => {
      const done = this.isDone(this.task.outputs[place]);
      dot.classList.toggle("done", done);
      dot.setAttribute("aria-label", t(this.words[done ? 1 : 0], { letter: this.task.letters[place] }));
      if (place === this.at) dot.setAttribute("aria-current", "true");
      else dot.removeAttribute("aria-current");
    });
    by("judged").textContent = t("desk.judged", { letter: this.task.letters[this.at] });
    by("previous").disabled = this.at === 0;
    by("next").disabled = this.at === this.task.outputs.length - 1;
    this.ask();
  }
}
