/**
 * Single keys as shortcuts. They are silent while somebody types, while a dialog is open or the work is covered, with Ctrl, Alt or Meta held,
 * and when the labeler has switched them off (WCAG 2.2, 2.1.4); the choice is kept on this device.
 */
const STORED = "tutelage.keys";

export function areOn() {
  return localStorage.getItem(STORED) !== "off";
}

export function setOn(on) {
  localStorage.setItem(STORED, on ? "on" : "off");
}

/** Call `actions[key]` for a key; a handler that returns false leaves the key to the browser. */
export function listen(target, actions, isOpen = () => true) {
  target.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.altKey || event.metaKey || !areOn() || !isOpen()) return;
    if (document.getElementById("work")?.inert) return;
    if (types(event.target) || (document.querySelector("dialog[open]") && !event.target.closest("dialog"))) return;
    const name = event.shiftKey && event.key.startsWith("Arrow") ? `Shift+${event.key}` : event.key;
    const action = actions[name] ?? actions[name.toLowerCase()];
    if (action && action(event) !== false) event.preventDefault();
  });
}

function types(element) {
  return element.matches("textarea, select, input:not([type=radio]):not([type=checkbox])");
}
