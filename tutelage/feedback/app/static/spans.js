/**
 * Places in a text, counted as the server counts them: in characters of the text as it is stored. A text field counts
 * UTF-16 units and shows every line end as one. Pure.
 */

/** Return what a text field shows, and for each of its units (and its end) the character that it begins with. */
export function places(text) {
  const characters = [...text];
  const found = [];
  let shown = "";
  for (let place = 0; place < characters.length; place += 1) {
    const isLineEnd = characters[place] === "\r";
    const part = isLineEnd ? "\n" : characters[place];
    for (let unit = 0; unit < part.length; unit += 1) found.push(place);
    shown += part;
    if (isLineEnd && characters[place + 1] === "\n") place += 1;
  }
  return { shown, found: [...found, characters.length] };
}

/** Return characters `start` to `end` of a text. */
export function cut(text, { start, end }) {
  return [...text].slice(start, end).join("");
}

/** Return a selection without white space at its ends, or null when nothing else is in it. */
export function trimmed(text, { start, end }) {
  const inside = cut(text, { start, end });
  if (inside.trim() === "") return null;
  const length = (part) => [...part].length;
  return {
    start: start + length(inside) - length(inside.trimStart()),
    end: end - length(inside) + length(inside.trimEnd()),
  };
}

/** Add a span to others in the order of the text; those that it touches become part of it. */
export function added(spans, span) {
  const touched = spans.filter((other) => other.start < span.end && span.start < other.end);
  const start = Math.min(span.start, ...touched.map((other) => other.start));
  const end = Math.max(span.end, ...touched.map((other) => other.end));
  const others = spans.filter((other) => !touched.includes(other));
  return [...others, { ...span, start, end }].sort((one, other) => one.start - other.start);
}

/** Return a text in runs of {text, kind}: kind is null for what stays, and a span's kind for what is taken out. */
export function runs(text, spans) {
  const found = [];
  let at = 0;
  for (const span of spans) {
    found.push({ text: cut(text, { start: at, end: span.start }), kind: null });
    found.push({ text: `[${span.kind}]`, kind: span.kind });
    at = span.end;
  }
  return [...found, { text: cut(text, { start: at, end: Infinity }), kind: null }].filter((run) => run.text !== "");
}
