/**
 * An order with ties that a labeler is making: K cards, K numbered rows, best row first, tied cards in one row.
 *
 * Pure: every move takes an order and returns an order; a move that changes nothing returns the very same object. Drag,
 * digits, menus and taps all end here. Empty rows are allowed on the way and say nothing: `groups` leaves them out.
 *
 * An order is {cards, rows, unsure, seeded, past}: `cards` in the order of the screen; `rows[r]` the cards of row r, from
 * 0; `unsure` the cards that a seed placed and no hand has confirmed; `past` the order before the last move, or null.
 */

/** Begin with every card unplaced. */
export function start(cards) {
  if (new Set(cards).size !== cards.length) throw new Error("a card is there twice");
  return { cards: [...cards], rows: cards.map(() => []), unsure: [], seeded: false, past: null };
}

/** Return the cards in no row, in the order of the screen. */
export function tray(order) {
  return order.cards.filter((card) => rowOf(order, card) < 0);
}

/** Return the row of a card, -1 for the tray. */
export function rowOf(order, card) {
  return order.rows.findIndex((row) => row.includes(card));
}

/** Say whether a labeler has placed or confirmed every card: nothing else may be handed in. */
export function complete(order) {
  return order.unsure.length === 0 && tray(order).length === 0;
}

/** Return the tied groups, best first. */
export function groups(order) {
  return order.rows.filter((row) => row.length > 0).map((row) => [...row]);
}

/** Put a card into a row, beside the cards that are there: a tie. */
export function place(order, card, row) {
  checkRow(order, row, order.cards.length - 1);
  if (rowOf(order, card) === row) return moved(order, order.rows, [card]);
  const rows = without(order, card);
  rows[row].push(card);
  return moved(order, rows, [card]);
}

/** Give a card a row of its own before row `before` (K: after the last); the other rows make room. */
export function insert(order, card, before) {
  checkRow(order, before, order.cards.length);
  return moved(order, inserted(without(order, card), [card], before), [card]);
}

/** Put a card back into the tray. */
export function take(order, card) {
  return moved(order, without(order, card), [card]);
}

/** Tie a card with the next row above that holds cards; in the tray, with the lowest one. */
export function tieAbove(order, card) {
  const own = rowOf(order, card);
  const above = lastFilled(order.rows, own < 0 ? order.rows.length : own);
  return above < 0 ? order : place(order, card, above);
}

/** Move a card one row up (step -1) or down (1): out of its tie, or with its row past the neighbour. */
export function shift(order, card, step) {
  const row = rowOf(order, card);
  if (row < 0) return order;
  if (order.rows[row].length > 1) return insert(order, card, step < 0 ? row : row + 1);
  const other = row + step;
  if (other < 0 || other >= order.rows.length) return order;
  const rows = order.rows.map((cards) => [...cards]);
  [rows[row], rows[other]] = [rows[other], rows[row]];
  return moved(order, rows, [card]);
}

/** Place `better` above `worse`, keeping whichever is placed where it is. */
export function prefer(order, better, worse) {
  checkTwo(better, worse);
  const [high, low] = [rowOf(order, better), rowOf(order, worse)];
  if (high >= 0 && low > high) return moved(order, order.rows, [better, worse]);
  if (low >= 0) return moved(order, beside(order, better, worse, 0), [better, worse]);
  if (high >= 0) return moved(order, beside(order, worse, better, 1), [better, worse]);
  const first = inserted(without(order, better), [better], lastFilled(order.rows, order.rows.length) + 1);
  const at = first.findIndex((row) => row.includes(better));
  return moved(order, inserted(first, [worse], at + 1), [better, worse]);
}

/** Tie two cards, keeping whichever is placed where it is. */
export function equal(order, one, other) {
  checkTwo(one, other);
  const [first, second] = [rowOf(order, one), rowOf(order, other)];
  if (first >= 0 && first === second) return moved(order, order.rows, [one, other]);
  if (second < 0 && first < 0) {
    return moved(order, inserted(order.rows, [one, other], lastFilled(order.rows, order.rows.length) + 1), [one, other]);
  }
  const [stays, goes] = second >= 0 ? [other, one] : [one, other];
  const rows = without(order, goes);
  rows[rowOf(order, stays)].push(goes);
  return moved(order, rows, [one, other]);
}

/** Tie all cards: the answer of a labeler who sees no difference. */
export function tieAll(order) {
  if (complete(order) && groups(order).length === 1) return order;
  const rows = order.cards.map(() => []);
  if (rows.length > 0) rows[0] = [...order.cards];
  return moved(order, rows, order.cards);
}

/** Fill the rows from the labeler's own qualities (higher is better, equal ones tie); every card needs confirmation. */
export function seed(order, qualities) {
  const missing = order.cards.filter((card) => !Number.isInteger(qualities[card]));
  if (missing.length > 0) throw new Error(`no quality for ${missing.join(", ")}`);
  const steps = [...new Set(order.cards.map((card) => qualities[card]))].sort((a, b) => b - a);
  const rows = order.cards.map((_, row) => order.cards.filter((card) => qualities[card] === steps[row]));
  return changed(order, { rows, unsure: [...order.cards], seeded: true });
}

/** Say yes to the whole order as it stands; cards in the tray stay there. */
export function confirm(order) {
  return moved(order, order.rows, order.cards);
}

/** Go back one move. */
export function undo(order) {
  return order.past ?? order;
}

/** Return what a draft keeps; the way here is not part of it. */
export function saved(order) {
  return { rows: order.rows.map((row) => [...row]), unsure: [...order.unsure], seeded: order.seeded };
}

/** Take up an order that `saved` gave; another one is refused. */
export function restored(cards, { rows, unsure, seeded }) {
  const fresh = start(cards);
  const placed = rows.flat();
  const known = new Set(cards);
  const twice = new Set(placed).size !== placed.length;
  if (rows.length !== cards.length || twice || [...placed, ...unsure].some((card) => !known.has(card))) {
    throw new Error("the saved order is of other cards");
  }
  return { ...fresh, rows: rows.map((row) => [...row]), unsure: unsure.filter((card) => placed.includes(card)), seeded };
}

/** Make a move that settles the cards of `sure`. */
function moved(order, rows, sure) {
  return changed(order, { rows, unsure: order.unsure.filter((card) => !sure.includes(card)), seeded: order.seeded });
}

function changed(order, state) {
  const before = { rows: order.rows, unsure: order.unsure, seeded: order.seeded };
  return JSON.stringify(state) === JSON.stringify(before) ? order : { ...order, ...state, past: order };
}

function without(order, card) {
  if (!order.cards.includes(card)) throw new Error(`no card ${card}`);
  return order.rows.map((row) => row.filter((other) => other !== card));
}

/** Put `card` in a row of its own next to the row of `anchor`: before it (0) or after it (1). */
function beside(order, card, anchor, after) {
  const rows = without(order, card);
  return inserted(rows, [card], rows.findIndex((row) => row.includes(anchor)) + after);
}

/** Open an empty row before `before` and fill it: the nearest empty row below closes up, else the nearest above. */
function inserted(rows, cards, before) {
  const below = rows.findIndex((row, number) => number >= before && row.length === 0);
  const made = [...rows];
  if (below >= 0) {
    made.splice(below, 1);
    made.splice(before, 0, cards);
    return made;
  }
  const above = rows.slice(0, before).findLastIndex((row) => row.length === 0);
  made.splice(above, 1);
  made.splice(before - 1, 0, cards);
  return made;
}

function lastFilled(rows, end) {
  return rows.slice(0, end).findLastIndex((row) => row.length > 0);
}

function checkRow(order, row, most) {
  if (!Number.isInteger(row) || row < 0 || row > most) throw new Error(`no row ${row}`);
}

function checkTwo(one, other) {
  if (one === other) throw new Error("a card is not compared with itself");
}
