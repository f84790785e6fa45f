/**
 * How long somebody has sat here without a pause, over all pages of this device. Pure: a sitting is
 * {since, last, told, heavy}, times in milliseconds; `heavy` counts the unpleasant texts that were shown.
 */
export const LONG = 50 * 60_000;
const REST = 5 * 60_000;
const AGAIN = 20 * 60_000;
const MANY = 10;

/** Note that somebody is at work; after five minutes away a new sitting begins. */
export function noted(sitting, now) {
  const isNew = !sitting || now - sitting.last > REST;
  return isNew ? { since: now, last: now, told: 0, heavy: 0 } : { ...sitting, last: now };
}

/** Note that an unpleasant text was shown. */
export function shown(sitting, now) {
  const next = noted(sitting, now);
  return { ...next, heavy: next.heavy + 1 };
}

/** Say why a pause would be good now: "long", "heavy" or null. */
export function due(sitting, now) {
  if (now - sitting.told < AGAIN) return null;
  if (sitting.heavy >= MANY) return "heavy";
  return now - sitting.since >= LONG ? "long" : null;
}

/** Note that it was said; the unpleasant texts are counted anew. */
export function told(sitting, now) {
  return { ...sitting, told: now, heavy: 0 };
}
