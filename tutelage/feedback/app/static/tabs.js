/**
 * One tab works at a time. The first one holds the browser's lock on the work; another shows that the work is open
 * elsewhere and may take it over, after which the first one stands still. A tab that takes over is loaded again, so that
 * it begins from what the other one kept.
 */
export async function claim(name, begin, stop) {
  const button = document.getElementById("work-here");
  button.addEventListener("click", () => {
    navigator.locks.request(name, { steal: true }, () => location.reload());
  });
  // The lock of a page that is being replaced may live a moment longer.
  for (const patience of [0, 400]) {
    await new Promise((resolve) => setTimeout(resolve, patience));
    if (await hold(name, begin, stop)) return;
  }
  stop();
}

/** Hold the lock for as long as the page lives; says false when another tab has it. */
function hold(name, begin, stop) {
  return new Promise((resolve) => {
    const held = navigator.locks.request(name, { ifAvailable: true }, (lock) => {
      resolve(lock !== null);
      if (lock === null) return undefined;
      begin();
      return new Promise(() => {});
    });
    // Another tab has taken the lock away.
    held.catch(stop);
  });
}
