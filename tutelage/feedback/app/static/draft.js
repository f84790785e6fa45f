/**
 * Work in hand, kept twice: on this device at every change, on the server soon after. A save names the version it began
 * from; when the server has another one, the labeler chooses. What was saved stays on the device a moment longer: a page
 * that was asked for before the save may come after it, and then knows less than the device. `status` is told one of:
 * saved, saving, changed, offline, signed_out, newer. `heard` gets every answer of the server to a save, for the lease
 * that it tells of.
 */
import { Refused, ask } from "../web/server.js";
import * as shelf from "./shelf.js";

const DELAY = 1500;
const AGAIN = 10_000;
const MOMENT = 30_000;

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
    this.cleaning = undefined;
    this.keeping = null;
    this.running = null;
  }

  /** Take up what this device kept and the server does not have. */
  async open() {
    const kept = await shelf.get("drafts", this.id);
    if (!kept) return this.tell();
    const isOld = kept.base > this.version;
    if (isOld) this.version = kept.base; // the page is older than the last save of this device
    else if (kept.saved || JSON.stringify(kept.content) === JSON.stringify(this.server)) {
      await shelf.remove("drafts", this.id);
      return this.tell();
    }
    this.content = kept.content;
    if (isOld && kept.saved) {
      this.savedAt = kept.saved;
      this.clean();
      return this.tell();
    }
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
    this.keeping = shelf.put("drafts", this.id, { content: this.content, base: this.version });
    await this.keeping;
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
    clearTimeout(this.cleaning);
    this.isDirty = false;
    await shelf.remove("drafts", this.id);
  }

  /** Another tab goes on: it begins from what this device kept, and this one saves nothing more. */
  stop() {
    clearTimeout(this.timer);
    clearTimeout(this.cleaning);
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
      // "Kept on this device" is said when it is.
      await Promise.allSettled([this.keeping]);
      this.fail(error);
    }
  }

  async settle(content) {
    if (this.content === content) {
      this.isDirty = false;
      await shelf.put("drafts", this.id, { content, base: this.version, saved: this.savedAt });
      this.clean();
      // A change may have come while the device wrote.
      if (this.content === content) return this.tell();
    }
    await shelf.put("drafts", this.id, { content: this.content, base: this.version });
    return this.schedule(DELAY);
  }

  /** Take what was saved from this device when no page can be on its way that does not know of it. */
  clean() {
    clearTimeout(this.cleaning);
    this.cleaning = setTimeout(() => this.isDirty || shelf.remove("drafts", this.id), MOMENT);
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
