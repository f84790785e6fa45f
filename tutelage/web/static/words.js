/** The page's words: texts by name with {places}, from the attribute `data-words` of the page's desk. */
let texts = {};

export function learn(json) {
  texts = JSON.parse(json);
}

export function t(name, values = {}) {
  if (!(name in texts)) throw new Error(`no word ${name}`);
  return texts[name].replace(/\{(\w+)\}/g, (_, place) => String(values[place]));
}

/** The time of day as the reader's own clock writes it. */
export function clockTime(milliseconds) {
  return new Date(milliseconds).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
}
