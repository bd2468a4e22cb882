// When the page of a run has to look again. Pure.

const EVERY_US = 5e6; // while it runs
const AFTER_US = [4e6, 20e6]; // after its end: its last records are stored by then

/** Whether a look is due at `now`, after the one at `asked` (µs). `ended`: when the run ended; null while it runs. */
export function due(ended, asked, now) {
  if (ended === null) return now - asked >= EVERY_US;
  return AFTER_US.some((after) => asked < ended + after && now >= ended + after);
}
