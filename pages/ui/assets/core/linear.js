// Regular expressions in linear time: the browser's own may take for ever with some patterns, and a page that waits for one is lost.
// All states that a pattern can be in are followed at once, and sets of states that were met before are remembered (a lazy
// automaton). Single characters are still judged by the browser, so that classes and upper case mean what they always do.

const MOST_STEPS = 4000; // of a pattern whose repetitions are written out
const MOST_SETS = 2000; // that are remembered
const BUDGET = 1e6; // new sets cost as many units as they have states; this takes a quarter of a second
const REFILL = 100; // units a millisecond, a few percent of the time
const END = -1;
const QUANTIFIER = /(?:[*+?]|\{(\d+)(?:(,)(\d*))?\})\??/y;
const ESCAPE = /\\(?:u\{[\da-f]+\}|u[\da-f]{4}|x[\da-f]{2}|c[a-z]|[pP]\{[^}]*\}|[^])/iy;

/** A pattern that the browser knows but that needs more than one pass over a text. */
export class Unsupported extends Error {}

/** The budget is used up: the pattern meets ever new sets of states. */
export class TooSlow extends Error {}

/**
 * `{test(text), find(text, from)}` of a pattern; `find` gives `[start, end]` of the first match, the longest one there, or null.
 * Throws `SyntaxError` for what is no pattern and `Unsupported` for look-around, back references and patterns that are too long;
 * `test` and `find` throw `TooSlow`.
 */
export function linear(source, flags = "") {
  new RegExp(source, flags); // says what is wrong with it
  const steps = emit(parse(source, flags));
  const [whole, anchored] = [new Automaton(steps, true), new Automaton(steps, false)];
  const unicode = flags.includes("u");
  return {
    test: (text) => whole.run(text, 0, unicode) !== null,
    find: (text, from = 0) => first(anchored, text, from, unicode),
  };
}

function first(automaton, text, from, unicode) {
  for (let start = from; start <= text.length; start += width(text, start, unicode)) {
    const end = automaton.run(text, start, unicode);
    if (end !== null) return [start, end];
  }
  return null;
}

const width = (text, at, unicode) => (unicode && (text.codePointAt(at) ?? 0) > 0xffff ? 2 : 1);
const isWord = (code) => (code >= 48 && code <= 57) || (code >= 65 && code <= 90) || code === 95 || (code >= 97 && code <= 122);

// --- from a pattern to a tree: `{or: […]}`, `{all: […]}`, `{many, least, most}`, `{one}` (a character), `{at}` (a position)

function parse(source, flags) {
  let at = 0;
  const ones = new Map();

  const either = () => {
    const ways = [sequence()];
    while (source[at] === "|") {
      at += 1;
      ways.push(sequence());
    }
    return ways.length > 1 ? { or: ways } : ways[0];
  };

  const sequence = () => {
    const all = [];
    while (at < source.length && source[at] !== "|" && source[at] !== ")") all.push(repeated(piece()));
    return { all };
  };

  const repeated = (many) => {
    const found = sticky(QUANTIFIER, source, at);
    if (!found) return many;
    at += found[0].length;
    const [sign] = found[0];
    if (sign !== "{") return { many, least: sign === "+" ? 1 : 0, most: sign === "?" ? 1 : Infinity };
    const least = Number(found[1]);
    return { many, least, most: found[2] ? (found[3] ? Number(found[3]) : Infinity) : least };
  };

  const piece = () => {
    const sign = source[at];
    if (sign === "(") return group();
    if (sign === "[") return one(classEnd(source, at));
    if (sign === "\\") return escaped();
    if (sign === "^" || sign === "$") {
      at += 1;
      return { at: sign };
    }
    return one(at + width(source, at, flags.includes("u")));
  };

  const group = () => {
    const named = sticky(/\((?:\?(?::|<[^=!>][^>]*>))?(?!\?)/y, source, at);
    if (!named) throw new Unsupported("Look-around is not supported.");
    at += named[0].length;
    const inside = either();
    at += 1;
    return inside;
  };

  const escaped = () => {
    const [word] = sticky(ESCAPE, source, at);
    if (/^\\[1-9k]/.test(word)) throw new Unsupported("References to earlier groups are not supported.");
    if (word === "\\b" || word === "\\B") {
      at += 2;
      return { at: word };
    }
    return one(at + word.length);
  };

  const one = (end) => {
    const word = source.slice(at, end);
    at = end;
    if (!ones.has(word)) ones.set(word, judge(word === "{" || word === "}" || word === "]" ? `\\${word}` : word, flags));
    return { one: ones.get(word) };
  };

  return either();
}

function sticky(pattern, text, at) {
  pattern.lastIndex = at;
  return pattern.exec(text);
}

function classEnd(source, at) {
  for (let i = at + 1; ; i += source[i] === "\\" ? 2 : 1) if (source[i] === "]") return i + 1;
}

/** Whether one character fits, remembered for each. */
function judge(word, flags) {
  const pattern = new RegExp(`^(?:${word})$`, flags.replace("g", ""));
  const known = new Map();
  return (code) => {
    let fits = known.get(code);
    if (fits === undefined) known.set(code, (fits = pattern.test(String.fromCodePoint(code))));
    return fits;
  };
}

// --- from a tree to steps: `{one, to}`, `{at, to}`, `{to, or}` (two ways on), `{done}`

function emit(tree) {
  const steps = [];
  const add = (step) => {
    if (steps.length >= MOST_STEPS) throw new Unsupported("The pattern repeats too much.");
    return steps.push(step) - 1;
  };
  // each function adds what leads to the step `to`, and returns where that begins
  const lead = (node, to) => {
    if (node.one) return add({ one: node.one, to });
    if (node.at) return add({ at: node.at, to });
    if (node.all) return node.all.reduceRight((next, part) => lead(part, next), to);
    if (node.or) return node.or.map((way) => lead(way, to)).reduce((a, b) => add({ to: a, or: b }));
    return repeat(node, to);
  };
  const repeat = ({ many, least, most }, to) => {
    let begin = to;
    if (most === Infinity) {
      const loop = add({ to, or: to });
      steps[loop].to = lead(many, loop);
      begin = loop;
    } else {
      for (let i = least; i < most; i += 1) begin = add({ to: lead(many, begin), or: to });
    }
    for (let i = 0; i < least; i += 1) begin = lead(many, begin);
    return begin;
  };
  const done = add({ done: true });
  const start = lead(tree, done);
  return { steps, start };
}

// --- from steps to answers

class Automaton {
  constructor({ steps, start }, anywhere) {
    Object.assign(this, { steps, start, anywhere, left: BUDGET, filled: performance.now() });
    this.#forget();
  }

  #forget() {
    this.sets = new Map();
    this.beginning = new Map(["start", "word", "gap"].map((before) => [before, this.#set([this.start], before)]));
  }

  /** The end of the longest match from `from`, or null; where a match may begin anywhere, the end of the first that ends. */
  run(text, from, unicode) {
    let set = this.beginning.get(from === 0 ? "start" : isWord(text.charCodeAt(from - 1)) ? "word" : "gap");
    let end = null;
    for (let i = from; ; ) {
      const code = i >= text.length ? END : unicode ? text.codePointAt(i) : text.charCodeAt(i);
      let step = set.on.get(code);
      if (step === undefined) step = this.#step(set, code);
      if (step.done) {
        end = i;
        if (this.anywhere) return end;
      }
      if (step.set === null) return end;
      set = step.set;
      i += code > 0xffff ? 2 : 1;
    }
  }

  #step(set, code) {
    const next = new Set(this.anywhere ? [this.start] : []);
    const seen = new Set();
    const waiting = [...set.steps];
    let done = false;
    while (waiting.length) {
      const at = waiting.pop();
      if (seen.has(at)) continue;
      seen.add(at);
      const step = this.steps[at];
      if (step.done) done = true;
      else if (step.one) code !== END && step.one(code) && next.add(step.to);
      else if (!step.at || holds(step.at, set.before, code)) waiting.push(step.to, ...(step.or === undefined ? [] : [step.or]));
    }
    this.#pay(seen.size + next.size);
    if (this.sets.size > MOST_SETS) this.#forget();
    const leads = code === END || next.size === 0 ? null : this.#set([...next].sort((a, b) => a - b), isWord(code) ? "word" : "gap");
    const found = { done, set: leads };
    set.on.set(code, found);
    return found;
  }

  #set(steps, before) {
    const key = `${before} ${steps.join(" ")}`;
    let set = this.sets.get(key);
    if (set === undefined) this.sets.set(key, (set = { steps, before, on: new Map() }));
    return set;
  }

  #pay(units) {
    this.left -= units;
    if (this.left > 0) return;
    const now = performance.now();
    this.left = Math.min(BUDGET, (now - this.filled) * REFILL) - units;
    this.filled = now;
    if (this.left <= 0) throw new TooSlow("The pattern takes too long.");
  }
}

function holds(at, before, code) {
  if (at === "^") return before === "start";
  if (at === "$") return code === END;
  const edge = (before === "word") !== (code !== END && isWord(code));
  return edge === (at === "\\b");
}
