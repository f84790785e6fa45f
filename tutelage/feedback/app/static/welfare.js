/** What lies over unpleasant work until it is wanted, and a calm word about pauses. */
import * as pause from "./pause.js";
import { t } from "../web/words.js";

const by = (id) => document.getElementById(id);
const SITTING = "tutelage.sitting";
const SHOWN = "tutelage.shown";

const read = (name, otherwise) => JSON.parse(localStorage.getItem(name) ?? JSON.stringify(otherwise));
const write = (name, value) => localStorage.setItem(name, JSON.stringify(value));

/** Cover the work until it is shown; says whether it is covered. The choice is kept with the draft, or on this device. */
export function cover(task, draft) {
  const always = read(SHOWN, []);
  const isWanted = draft.content.shown || task.contents.every((content) => always.includes(content));
  if (isWanted || task.state === "submitted") return false;
  by("cover").hidden = false;
  by("work").classList.add("covered");
  by("work").inert = true;
  by("uncover").addEventListener("click", () => {
    if (by("always-show").checked) write(SHOWN, [...new Set([...always, ...task.contents])]);
    write(SITTING, pause.shown(read(SITTING, null), Date.now()));
    draft.change({ shown: true });
    by("cover").hidden = true;
    by("work").classList.remove("covered");
    by("work").inert = task.state === "skipped";
    by("work").focus({ preventScroll: true });
  });
  by("cover-skip")?.addEventListener("click", () => by("skip").showModal());
  return true;
}

/** Count a minute of work, and suggest a pause when it is due. */
export function minute(isActive) {
  const now = Date.now();
  if (!isActive) return;
  const sitting = pause.noted(read(SITTING, null), now);
  write(SITTING, sitting);
  const why = pause.due(sitting, now);
  if (why === null) return;
  const minutes = Math.round((now - sitting.since) / 60_000);
  by("pause-text").textContent = why === "heavy" ? t("desk.pause.heavy") : t("desk.pause", { minutes });
  by("pause").hidden = false;
  by("pause-later").onclick = () => {
    write(SITTING, pause.told(read(SITTING, sitting), Date.now()));
    by("pause").hidden = true;
  };
}
