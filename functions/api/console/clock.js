// The time as the server has it, and one timer for everything on the page that runs by itself.

let ahead = 0;
const ticking = new Set();
let timer = null;

/** Milliseconds since 1970, by the server's clock where it differs visibly from ours. */
export function now() {
  return Date.now() + ahead;
}

/** Learn from an answer's Date header; it counts whole seconds, so that small differences say nothing. */
export function learn(header) {
  const at = Date.parse(header || "");
  if (Number.isNaN(at)) return;
  const difference = at + 500 - Date.now();
  ahead = Math.abs(difference) < 2000 ? 0 : difference;
}

/** Call `tick` every second while the page can be seen; the answer ends it. */
export function everySecond(tick) {
  ticking.add(tick);
  timer ??= setInterval(() => {
    if (!document.hidden) ticking.forEach((each) => each());
  }, 1000);
  return () => {
    ticking.delete(tick);
    if (ticking.size === 0) {
      clearInterval(timer);
      timer = null;
    }
  };
}

document.addEventListener("visibilitychange", () => {
  if (!document.hidden) ticking.forEach((each) => each());
});
