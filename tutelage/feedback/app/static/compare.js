/** Two outputs side by side with the words that differ; the verdict is a move on the board. */
import { compared } from "./diff.js";
import * as keys from "../web/keys.js";
import * as model from "./order.js";
import { t } from "../web/words.js";

const by = (id) => document.getElementById(id);

export class Comparison {
  constructor(board) {
    this.board = board;
    this.first = this.second = null;
    by("left-better").addEventListener("click", () => this.decide("left"));
    by("both-equal").addEventListener("click", () => this.decide("equal"));
    by("right-better").addEventListener("click", () => this.decide("right"));
    by("show-words").addEventListener("change", () => this.showTexts());
    const dialog = by("compare");
    dialog.addEventListener("close", () => this.end());
    for (const [side, other] of [["left-text", "right-text"], ["right-text", "left-text"]]) {
      by(side).addEventListener("scroll", () => this.follow(by(side), by(other)));
    }
    keys.listen(dialog, {
      "<": () => this.decide("left"),
      "=": () => this.decide("equal"),
      ">": () => this.decide("right"),
    });
  }

  /** The first card waits for the second; the same card again takes it back. */
  choose(output) {
    const { board } = this;
    if (this.first === output) {
      this.first = null;
      by("said").textContent = t("desk.compare.ended");
    } else if (this.first === null) {
      this.first = output;
      by("said").textContent = t("desk.compare.first", { letter: board.letter(output) });
    } else {
      this.second = output;
      this.open();
    }
    this.mark();
  }

  open() {
    const letters = [this.first, this.second].map((output) => this.board.letter(output));
    by("left-name").textContent = t("desk.output", { letter: letters[0] });
    by("right-name").textContent = t("desk.output", { letter: letters[1] });
    by("left-better").firstChild.textContent = t("desk.compare.better", { letter: letters[0] });
    by("right-better").firstChild.textContent = t("desk.compare.better", { letter: letters[1] });
    this.showTexts();
    by("compare").showModal();
  }

  showTexts() {
    const texts = [this.board.text(this.first), this.board.text(this.second)];
    const sides = by("show-words").checked ? compared(...texts) : texts.map((text) => [{ text, same: true }]);
    for (const [place, name] of ["left-text", "right-text"].entries()) {
      by(name).replaceChildren(...sides[place].map(run));
      by(name).scrollTop = 0;
    }
  }

  follow(side, other) {
    if (!by("scroll-together").checked) return;
    const share = side.scrollTop / Math.max(1, side.scrollHeight - side.clientHeight);
    const goal = share * (other.scrollHeight - other.clientHeight);
    // The other side answers with an event of its own, which must change nothing.
    if (Math.abs(other.scrollTop - goal) > 1) other.scrollTop = goal;
  }

  decide(verdict) {
    const { board, first, second } = this;
    by("compare").close();
    if (verdict === "equal") board.moveCard(first, model.equal(board.order, first, second));
    if (verdict === "left") board.moveCard(first, model.prefer(board.order, first, second));
    if (verdict === "right") board.moveCard(second, model.prefer(board.order, second, first));
  }

  end() {
    this.first = this.second = null;
    this.mark();
  }

  mark() {
    for (const [output, card] of this.board.cards) {
      card.querySelector(".compare").setAttribute("aria-pressed", String(output === this.first));
    }
  }
}

function run({ text, same }) {
  const made = document.createElement(same ? "span" : "mark");
  made.textContent = text;
  return made;
}
