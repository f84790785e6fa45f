/** The dialog that lists the keys: `?` opens it. */
import * as keys from "../web/keys.js";

export function install(actions) {
  const legend = document.getElementById("legend");
  legend.querySelector("[data-close]").addEventListener("click", () => legend.close());
  keys.listen(document, { "?": () => legend.showModal(), ...actions });
}
