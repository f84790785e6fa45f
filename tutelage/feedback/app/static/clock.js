/**
 * How long somebody works: time counts as active while the page is looked at and the last sign of life (a key, the
 * pointer, scrolling) is younger than two minutes, else as idle.
 */
export const IDLE_AFTER = 120_000;

export class Clock {
  constructor(activeMs = 0, idleMs = 0, now = Date.now) {
    this.activeMs = activeMs;
    this.idleMs = idleMs;
    this.now = now;
    this.counted = this.sign = now();
    this.seen = true;
  }

  /** Count the time since the last call. */
  count() {
    const now = this.now();
    const alive = this.seen ? Math.max(0, Math.min(now, this.sign + IDLE_AFTER) - this.counted) : 0;
    this.activeMs += alive;
    this.idleMs += Math.max(0, now - this.counted - alive);
    this.counted = now;
  }

  /** Somebody is there. */
  touch() {
    this.count();
    this.sign = this.now();
  }

  /** The page came to the front or went to the back. */
  show(seen) {
    this.count();
    this.seen = seen;
    if (seen) this.sign = this.now();
  }

  get isActive() {
    return this.seen && this.now() - this.sign < IDLE_AFTER;
  }
}
