/**
 * Work in hand, kept twice: on this device at every change, on the server soon after. A save names the version it began
 * from; when the server has another one, the labeler chooses. `status` is told one of: saved, saving, changed, offline,
 * signed_out, newer. `heard` gets every answer of the server to a save, for the lease that it tells of.
 */
import { Refused, ask } from "./server.js";
import * as shelf from "./shelf.js";

const DELAY = 1500;
const AGAIN = 10_000;

export class Draft {
  constructor(task, status, heard) {
    this.address = `/work/${task.draft}`;
    this.id = task.draft;
    this.version = task.version;
    this.server = task.content === "" ? {} : JSON.parse(task.content);
    this.savedAt = task.saved;
    this.status = status;
    this.heard = heard;
    this.content = this.server;
    this.isDirty = false;
    this.isParted = false;
    this.timer = undefined;
    this.running = null;
  }

  /** Take up what this device kept and the server does not have. */
  async open() {
    const kept = await shelf.get("drafts", this.id);
    if (!kept) return this.tell();
    if (JSON.stringify(kept.content) === JSON.stringify(this.server)) {
      await shelf.remove("drafts", this.id);
      return this.tell();
    }
    this.content = kept.content;
    this.isDirty = true;
    this.isParted = kept.base !== this.version;
    return this.isParted ? this.status("newer") : this.schedule(0);
  }

  /** Keep a change: on the device now, on the server when the hands rest. */
  async change(part) {
    this.content = { ...this.content, ...part };
    this.isDirty = true;
    this.status("changed");
    this.schedule(DELAY);
    await shelf.put("drafts", this.id, { content: this.content, base: this.version });
  }

  /** Save to the server now; resolves when nothing is left to save or saving must wait. */
  async save() {
    clearTimeout(this.timer);
    if (this.running) await this.running;
    if (!this.isDirty || this.isParted) return;
    this.running = this.send();
    await this.running;
    this.running = null;
  }

  /** Overwrite the server's newer version with what is on this screen. */
  async keepMine() {
    const there = await ask("GET", `${this.address}/draft`);
    this.version = there.version;
    this.isParted = false;
    this.isDirty = true;
    await this.save();
  }

  /** Keep nothing here: the work is handed in, or the server's version is to be loaded in its place. */
  async forget() {
    clearTimeout(this.timer);
    this.isDirty = false;
    await shelf.remove("drafts", this.id);
  }

  /** Another tab goes on: it begins from what this device kept, and this one saves nothing more. */
  stop() {
    clearTimeout(this.timer);
    this.isParted = true;
    this.isDirty = false;
  }

  schedule(delay) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.save(), delay);
  }

  async send() {
    const content = this.content;
    this.status("saving");
    try {
      const answer = await ask("PUT", `${this.address}/draft`, { base: this.version, content: JSON.stringify(content) });
      this.version = answer.version;
      this.savedAt = answer.saved;
      this.heard(answer);
      await this.settle(content);
    } catch (error) {
      this.fail(error);
    }
  }

  async settle(content) {
    if (this.content === content) {
      this.isDirty = false;
      await shelf.remove("drafts", this.id);
      // A change may have come while the device wrote.
      if (this.content === content) return this.tell();
    }
    await shelf.put("drafts", this.id, { content: this.content, base: this.version });
    return this.schedule(DELAY);
  }

  fail(error) {
    if (error instanceof Refused && error.code === "newer_draft") {
      this.isParted = true;
      this.status("newer");
    } else if (error instanceof Refused && !error.passes) {
      this.status("refused", error.message);
    } else {
      this.status(error.status === 401 || error.code === "stale_page" ? "signed_out" : "offline");
      this.schedule(AGAIN);
    }
  }

  tell() {
    this.status(this.isDirty ? "changed" : this.version > 0 ? "saved" : "new");
  }
}
