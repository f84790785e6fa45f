/** The answer that a labeler writes. */
import { t } from "../web/words.js";

export class Writing {
  constructor(task, draft, changed) {
    this.field = document.getElementById("answer");
    this.field.value = draft.content.text ?? "";
    this.length = document.getElementById("length");
    this.field.addEventListener("input", () => {
      changed({ text: this.field.value });
      this.show();
    });
    this.show();
  }

  show() {
    const words = this.field.value.trim().split(/\s+/).filter(Boolean).length;
    this.length.textContent = t("desk.words", { words });
  }

  missing() {
    return this.field.value.trim() === "" ? [t("desk.missing.text")] : [];
  }

  answer() {
    return { text: this.field.value };
  }
}
