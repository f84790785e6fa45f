/**
 * The rank board: cards and rows on the page. It shows an order and turns drags, digits, menus and taps into moves of
 * the order model; it decides nothing itself.
 */
import { Comparison } from "./compare.js";
import * as keys from "../web/keys.js";
import * as model from "./order.js";
import { t } from "../web/words.js";

const by = (id) => document.getElementById(id);

export class Board {
  constructor(task, draft, changed, ratings) {
    this.task = task;
    this.changed = changed;
    this.ratings = ratings;
    this.order = draft.content.order ? model.restored(task.outputs, draft.content.order) : model.start(task.outputs);
    this.cards = new Map([...document.querySelectorAll("[data-output]")].map((card) => [card.dataset.output, card]));
    this.picked = null;
    this.comparison = new Comparison(this);
    this.rows = task.outputs.map((_, row) => this.makeRow(row));
    by("rows").replaceChildren(...this.rows.flatMap(({ gap, item }) => [gap, item]), this.makeGap(task.outputs.length));
    for (const [output, card] of this.cards) this.listenToCard(output, card);
    this.listen();
    ratings.watchers.push(() => this.show());
    this.show();
  }

  letter(output) {
    return this.task.letters[this.task.outputs.indexOf(output)];
  }

  text(output) {
    return this.cards.get(output).querySelector(".text").textContent;
  }

  missing() {
    const placed = this.order.cards.length - model.tray(this.order).length;
    const total = this.order.cards.length;
    if (placed < total) return [t("desk.missing.cards", { placed, total })];
    return model.complete(this.order) ? [] : [t("desk.missing.confirm")];
  }

  /** Where order and ratings say opposite things by two steps or more; the labeler may mean it. */
  warnings() {
    const qualities = this.ratings.qualities();
    const groups = model.groups(this.order);
    const found = [];
    groups.forEach((group, place) => {
      for (const above of group) {
        for (const below of groups.slice(place + 1).flat()) {
          if (qualities[above] !== null && qualities[below] - qualities[above] >= 2) {
            const values = { above: this.letter(above), high: qualities[above] };
            found.push(t("desk.warning", { ...values, below: this.letter(below), low: qualities[below] }));
          }
        }
      }
    });
    return found;
  }

  answer() {
    return { groups: model.groups(this.order), seeded: this.order.seeded };
  }

  /** Make a move: keep it, show it, say it, and put the focus where the hands go on. */
  move(next, said, focus) {
    if (next === this.order) return;
    this.order = next;
    this.picked = null;
    this.changed({ order: model.saved(next) });
    this.show();
    const total = next.cards.length;
    const count = t("desk.placed", { placed: total - model.tray(next).length, total });
    by("said").textContent = `${said} ${count}`;
    if (focus) this.cards.get(focus).querySelector(".grip").focus();
  }

  /** Move one card, and say where it is now. */
  moveCard(output, next, focus = output) {
    const row = model.rowOf(next, output);
    const letter = this.letter(output);
    const others = row < 0 ? [] : next.rows[row].filter((other) => other !== output).map((other) => this.letter(other));
    const name = row < 0 ? "tray" : others.length > 0 ? "tied" : "row";
    this.move(next, t(`desk.said.${name}`, { letter, row: row + 1, others: others.join(", ") }), focus);
  }

  /** Digits go through the tray: the next card that is not placed gets the focus. */
  place(output, row) {
    if (row >= this.order.cards.length) return;
    const wasInTray = model.rowOf(this.order, output) < 0;
    const next = model.place(this.order, output, row);
    const left = model.tray(next);
    this.moveCard(output, next, wasInTray && left.length > 0 ? left[0] : output);
  }

  undo() {
    this.move(model.undo(this.order), t("desk.said.undo"), null);
  }

  listen() {
    by("undo").addEventListener("click", () => this.undo());
    by("tie-all").addEventListener("click", () => this.move(model.tieAll(this.order), t("desk.said.tie_all"), null));
    by("confirm").addEventListener("click", () => this.move(model.confirm(this.order), t("desk.said.confirm"), null));
    by("seed").addEventListener("click", () =>
      this.move(model.seed(this.order, this.ratings.qualities()), t("desk.said.seed"), null),
    );
    by("to-rate").addEventListener("click", () => this.step(true));
    for (const button of document.querySelectorAll(".to-rank")) button.addEventListener("click", () => this.step(false));
    this.dropTarget(by("tray"), (output) => this.moveCard(output, model.take(this.order, output)));
    keys.listen(document, { u: () => this.undo() }, () => !by("rank").hidden);
  }

  step(rates) {
    if (rates) this.ratings.askAboutThis();
    else by("ask").search = new URLSearchParams({ draft: this.task.draft });
    by("rate").hidden = !rates;
    by("rank").hidden = rates;
    by("to-rate").setAttribute("aria-pressed", String(rates));
    by("to-rank").setAttribute("aria-pressed", String(!rates));
    window.scrollTo(0, 0);
  }

  listenToCard(output, card) {
    const grip = card.querySelector(".grip");
    grip.addEventListener("click", () => this.pick(output));
    card.querySelector(".read").addEventListener("click", () => this.read(output));
    card.querySelector(".compare").addEventListener("click", () => this.comparison.choose(output));
    card.querySelector("select").addEventListener("change", (event) => this.choose(output, event.target));
    card.addEventListener("dragstart", (event) => {
      event.dataTransfer.setData("text/plain", output);
      event.dataTransfer.effectAllowed = "move";
      card.classList.add("dragged");
    });
    card.addEventListener("dragend", () => card.classList.remove("dragged"));
    const actions = {
      "=": () => this.moveCard(output, model.tieAbove(this.order, output)),
      c: () => this.comparison.choose(output),
      0: () => this.moveCard(output, model.take(this.order, output)),
      Enter: (event) => (event.target === grip ? this.read(output) : false),
      "Shift+ArrowUp": () => this.moveCard(output, model.shift(this.order, output, -1)),
      "Shift+ArrowDown": () => this.moveCard(output, model.shift(this.order, output, 1)),
      ArrowUp: () => this.walk(grip, -1),
      ArrowDown: () => this.walk(grip, 1),
    };
    for (let digit = 1; digit <= 9; digit += 1) actions[digit] = () => this.place(output, digit - 1);
    keys.listen(card, actions);
  }

  /** Take a card up by tap, click or space; the next row that is tapped gets it. */
  pick(output) {
    this.picked = this.picked === output ? null : output;
    this.show();
    if (this.picked) by("said").textContent = t("desk.said.picked", { letter: this.letter(output) });
  }

  read(output) {
    const card = this.cards.get(output);
    const isOpen = card.classList.toggle("open");
    const button = card.querySelector(".read");
    button.setAttribute("aria-expanded", String(isOpen));
    button.textContent = t(isOpen ? "desk.read.less" : "desk.read.more");
  }

  walk(grip, step) {
    const grips = [...document.querySelectorAll("#rank .grip")];
    grips[grips.indexOf(grip) + step]?.focus();
  }

  /** The menu says "row-2", "before-3" or "tray". */
  choose(output, menu) {
    const [kind, number] = menu.value.split("-");
    menu.value = "";
    if (kind === "row") this.moveCard(output, model.place(this.order, output, Number(number)));
    if (kind === "before") this.moveCard(output, model.insert(this.order, output, Number(number)));
    if (kind === "tray") this.moveCard(output, model.take(this.order, output));
  }

  makeRow(row) {
    const item = document.createElement("li");
    item.className = "row";
    const head = document.createElement("button");
    head.type = "button";
    head.className = "rowhead";
    head.textContent = String(row + 1);
    head.addEventListener("click", () => this.picked && this.place(this.picked, row));
    const list = document.createElement("ul");
    list.className = "tied";
    item.append(head, list);
    // A tap anywhere on the row does what its button does; the button is there for keys and screen readers.
    item.addEventListener("click", (event) => {
      if (this.picked && (event.target === item || event.target === list)) this.place(this.picked, row);
    });
    this.dropTarget(item, (output) => this.moveCard(output, model.place(this.order, output, row)));
    return { item, head, list, gap: this.makeGap(row) };
  }

  /** The line between two rows: a card dropped or tapped there gets a row of its own. Keys use the card's menu. */
  makeGap(before) {
    const gap = document.createElement("li");
    gap.className = "gap";
    gap.setAttribute("aria-hidden", "true");
    const insert = (output) => this.moveCard(output, model.insert(this.order, output, before));
    gap.addEventListener("click", () => this.picked && insert(this.picked));
    this.dropTarget(gap, insert);
    return gap;
  }

  dropTarget(element, drop) {
    element.addEventListener("dragover", (event) => {
      event.preventDefault();
      element.classList.add("over");
    });
    element.addEventListener("dragleave", () => element.classList.remove("over"));
    element.addEventListener("drop", (event) => {
      element.classList.remove("over");
      const output = event.dataTransfer.getData("text/plain");
      if (!this.cards.has(output)) return;
      event.preventDefault();
      event.stopPropagation();
      drop(output);
    });
  }

  show() {
    const { order } = this;
    const focused = document.activeElement;
    order.rows.forEach((outputs, row) => {
      const { head, list } = this.rows[row];
      list.replaceChildren(...outputs.map((output) => this.cards.get(output)));
      const held = outputs.map((output) => this.letter(output)).join(", ");
      const name = this.picked ? "put" : held ? "filled" : "empty";
      const letter = this.picked ? this.letter(this.picked) : "";
      head.setAttribute("aria-label", t(`desk.row.${name}`, { row: row + 1, letters: held, letter }));
      head.disabled = !this.picked;
    });
    const tray = model.tray(order);
    by("tray").replaceChildren(...tray.map((output) => this.cards.get(output)));
    by("tray-empty").hidden = tray.length > 0;
    by("placed").textContent = t("desk.placed", { placed: order.cards.length - tray.length, total: order.cards.length });
    by("undo").disabled = order.past === null;
    by("confirm").hidden = order.unsure.length === 0;
    by("seed").disabled = this.ratings.rated < order.cards.length;
    const qualities = this.ratings.qualities();
    for (const [output, card] of this.cards) this.showCard(output, card, qualities[output]);
    // A card that goes to another row loses the focus on the way.
    if (document.activeElement !== focused) focused.focus({ preventScroll: true });
  }

  showCard(output, card, quality) {
    const isPicked = output === this.picked;
    card.classList.toggle("picked", isPicked);
    card.classList.toggle("unsure", this.order.unsure.includes(output));
    card.querySelector(".grip").setAttribute("aria-pressed", String(isPicked));
    card.querySelector(".quality").textContent = quality === null ? "" : t("desk.quality", { quality });
    card.querySelector(".doubt").hidden = !this.order.unsure.includes(output);
  }
}
