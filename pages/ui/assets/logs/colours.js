// The colours that a program wrote for a terminal, as words for our own classes: nothing that a line says becomes markup or style.

const NAMES = ["black", "red", "green", "yellow", "blue", "magenta", "cyan", "white"];
// A colour code, or any other code of a terminal, which is left out: cursor moves, titles, links.
const CODE = /\u001b\[([\d;:]*)m|\u001b(?:\[[0-?]*[ -/]*[@-~]|\][^\u0007\u001b\n]*(?:\u0007|\u001b\\)?|[()][A-Z0-9]|[@-Z\\^_=>78cDEHM])/g;
const STYLES = { 1: "bold", 2: "dim", 3: "italic", 4: "underline", 7: "inverse" };
const ENDS = { 22: ["bold", "dim"], 23: ["italic"], 24: ["underline"], 27: ["inverse"] };
const GREY = 40; // red, green and blue that differ by less are a grey

/** The nearest of the eight names for red, green and blue of 0 to 255. */
function nearest(red, green, blue) {
  const [low, high] = [Math.min(red, green, blue), Math.max(red, green, blue)];
  if (high - low < GREY) return high < 96 ? "black" : "white";
  const middle = (low + high) / 2;
  return NAMES[(red > middle ? 1 : 0) + (green > middle ? 2 : 0) + (blue > middle ? 4 : 0)];
}

/** The name for a number of the palette of 256 colours. */
function ofPalette(number) {
  if (number < 16) return NAMES[number % 8];
  if (number >= 232) return number < 241 ? "black" : "white";
  const cube = number - 16;
  return nearest(...[Math.floor(cube / 36), Math.floor(cube / 6) % 6, cube % 6].map((part) => part * 51));
}

/** The colour that `38` or `48` announces, and how many numbers say it. */
function wide(numbers) {
  if (numbers[0] === 5 && numbers[1] >= 0 && numbers[1] < 256) return [ofPalette(numbers[1]), 2];
  if (numbers[0] === 2 && numbers.length > 3) return [nearest(...numbers.slice(1, 4)), 4];
  return [null, numbers.length];
}

/** What the numbers of a code change in `state`: `{ink, paper, styles}`. */
function apply(state, code) {
  // `38:2::r:g:b` has an empty place for a colour space that nobody uses
  const numbers = code.replace(/([34]8:2):\d*:(\d+:\d+:\d+)/g, "$1:$2").split(/[;:]/).map((part) => Number(part || 0));
  for (let at = 0; at < numbers.length; at += 1) {
    const number = numbers[at];
    if (number === 0) Object.assign(state, { ink: null, paper: null, styles: new Set() });
    else if (STYLES[number]) state.styles.add(STYLES[number]);
    else if (ENDS[number]) for (const style of ENDS[number]) state.styles.delete(style);
    else if (number === 38 || number === 48) {
      const [colour, length] = wide(numbers.slice(at + 1));
      state[number === 38 ? "ink" : "paper"] = colour;
      at += length;
    } else if (number === 39) state.ink = null;
    else if (number === 49) state.paper = null;
    else if (number >= 30 && number <= 37) state.ink = NAMES[number - 30];
    else if (number >= 40 && number <= 47) state.paper = NAMES[number - 40];
    else if (number >= 90 && number <= 97) state.ink = NAMES[number - 90];
    else if (number >= 100 && number <= 107) state.paper = NAMES[number - 100];
  }
}

/** The text in parts of one look: `[[text, classes], …]`, without any code. Classes are words such as `ink-red`, `paper-blue`, `bold`. */
export function colouredParts(text) {
  const parts = [];
  const state = { ink: null, paper: null, styles: new Set() };
  let from = 0;
  const add = (to) => {
    if (to === from) return;
    const classes = [state.ink && `ink-${state.ink}`, state.paper && `paper-${state.paper}`, ...[...state.styles].sort()].filter(Boolean).join(" ");
    const last = parts.at(-1);
    if (last && last[1] === classes) last[0] += text.slice(from, to);
    else parts.push([text.slice(from, to), classes]);
  };
  for (const match of text.matchAll(CODE)) {
    add(match.index);
    from = match.index + match[0].length;
    if (match[1] !== undefined) apply(state, match[1]);
  }
  add(text.length);
  return parts;
}

/** The text without any code. */
export const withoutCodes = (text) => text.replace(CODE, "");
