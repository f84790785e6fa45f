/** The home page sends what waits in this device's outbox. */
import { flush } from "./outbox.js";
import { learn, t } from "../web/words.js";

const place = document.getElementById("outbox");
learn(place.dataset.words);

async function send() {
  const waiting = await flush(place.dataset.who);
  place.textContent = waiting > 0 ? t("desk.outbox", { waiting }) : "";
  place.hidden = waiting === 0;
}

window.addEventListener("online", send);
await send();
