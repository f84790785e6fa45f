/**
 * Which words of two texts differ, by their longest common subsequence of words. Pure. Returns two lists of
 * {text, same}; joined, each list gives its text back exactly.
 */
const MOST = 4_000_000;

export function compared(left, right) {
  const [a, b] = [tokens(left), tokens(right)];
  let start = 0;
  while (start < a.length && start < b.length && a[start] === b[start]) start += 1;
  let [endA, endB] = [a.length, b.length];
  while (endA > start && endB > start && a[endA - 1] === b[endB - 1]) [endA, endB] = [endA - 1, endB - 1];
  const kept = common(a.slice(start, endA), b.slice(start, endB));
  const inA = (place) => place < start || place >= endA || kept.a.has(place - start);
  const inB = (place) => place < start || place >= endB || kept.b.has(place - start);
  return [runs(a, inA), runs(b, inB)];
}

function tokens(text) {
  return text.match(/\s+|[\p{L}\p{N}\p{M}_'’-]+|[^\s]/gu) ?? [];
}

/** Which places belong to the common subsequence; texts too long for the table share nothing between their ends. */
function common(a, b) {
  const kept = { a: new Set(), b: new Set() };
  if (a.length * b.length > MOST) return kept;
  const width = b.length + 1;
  const longest = new Uint16Array((a.length + 1) * width);
  for (let i = a.length - 1; i >= 0; i -= 1) {
    for (let j = b.length - 1; j >= 0; j -= 1) {
      const here = i * width + j;
      longest[here] =
        a[i] === b[j] ? longest[here + width + 1] + 1 : Math.max(longest[here + width], longest[here + 1]);
    }
  }
  for (let i = 0, j = 0; i < a.length && j < b.length; ) {
    if (a[i] === b[j]) {
      kept.a.add(i);
      kept.b.add(j);
      [i, j] = [i + 1, j + 1];
    } else if (longest[(i + 1) * width + j] >= longest[i * width + j + 1]) i += 1;
    else j += 1;
  }
  return kept;
}

function runs(words, isSame) {
  const found = [];
  words.forEach((text, place) => {
    const same = isSame(place);
    const last = found.at(-1);
    if (last && last.same === same) last.text += text;
    else found.push({ text, same });
  });
  return found;
}
