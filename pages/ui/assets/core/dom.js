// What every component is built from: elements, inert text, theme, styles, mounting.
// Text reaches the page through `textContent` only; nothing here parses markup.

const SVG = "http://www.w3.org/2000/svg";

/** An element: `el("div", {class: "card", onclick: f}, child, "text")`. Children that are strings become text nodes. */
export function el(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "text") node.textContent = value;
    else if (name === "style") node.style.cssText = value;
    else node.setAttribute(name, value === true ? "" : value);
  }
  for (const child of children) if (child !== null && child !== undefined) node.append(child);
  return node;
}

/** Set text only when it differs, so that a tick without a change costs nothing. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export function setAttr(node, name, value) {
  if (value === null) node.removeAttribute(name);
  else if (node.getAttribute(name) !== value) node.setAttribute(name, value);
}

// Shapes for states, so that nobody needs colour to tell them apart.
const ICONS = {
  ok: "M3.5 8.5l3 3 6-7",
  warn: "M8 2.5L14.5 13.5H1.5zM8 6.5v3.2M8 11.4v.6",
  bad: "M5.2 1.8h5.6l3.4 3.4v5.6l-3.4 3.4H5.2L1.8 10.8V5.2zM5.7 5.7l4.6 4.6M10.3 5.7l-4.6 4.6",
  wait: "M8 2a6 6 0 1 0 .01 0M8 4.8V8l2.3 1.6",
  off: "M3 8h10",
};

/** A 14 px icon. Screen readers skip it, since the words beside it say the same. */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 16 16");
  svg.setAttribute("class", `icon ${name}`);
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", ICONS[name] ?? ICONS.off);
  svg.append(path);
  return svg;
}

// Bidirectional controls reorder what a reader sees, so they are shown as signs.
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

function visible(char) {
  const code = char.codePointAt(0);
  if (code === 9) return "  ";
  if (code === 10) return " ⏎ ";
  if (code === 13) return "";
  if (code < 32) return String.fromCodePoint(0x2400 + code);
  if (code === 127) return "␡";
  return `‹U+${code.toString(16).toUpperCase().padStart(4, "0")}›`;
}

/** Untrusted text on one line: control characters and bidi controls become visible signs. */
export function inert(text, limit = 4000) {
  const whole = String(text ?? "");
  const cut = whole.length > limit ? `${whole.slice(0, limit)}…` : whole;
  return cut.replace(CONTROL, visible);
}

/** The same, keeping line breaks (for a block that is shown as written). */
export function inertBlock(text, limit = 200_000) {
  return String(text ?? "").slice(0, limit).split(/\r?\n/).map((line) => inert(line, limit)).join("\n");
}

const dark = new Map();

/** Whether a CSS colour is dark, by relative luminance; cached for each colour. */
function isDark(color) {
  if (!dark.has(color)) dark.set(color, luminance(color) < 128);
  return dark.get(color);
}

function luminance(color) {
  const probe = document.createElement("canvas").getContext("2d");
  probe.fillStyle = color || "#ffffff";
  const hex = probe.fillStyle;
  if (!hex.startsWith("#")) return 255;
  const [r, g, b] = [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function applyTheme(host) {
  const background = getComputedStyle(host).getPropertyValue("--st-background-color").trim();
  setAttr(host, "data-theme", isDark(background) ? "dark" : "light");
}

let sheet;

/** The one style sheet, parsed once and shared by every component's shadow root. */
function styles() {
  sheet ??= fetch(new URL("../wk.css", import.meta.url), { signal: AbortSignal.timeout(10_000) })
    .then((answer) => (answer.ok ? answer.text() : Promise.reject(new Error(`styles: HTTP ${answer.status}`))))
    .then((text) => new CSSStyleSheet().replace(text))
    .catch((error) => {
      sheet = undefined; // the next component tries again
      throw error;
    });
  return sheet;
}

const views = new WeakMap();

/**
 * Turn a view class into the function that Streamlit calls. The first call makes `new View(host, data, streamlit)`, later calls
 * (new data, new theme) go to `update(data)`, and the end to `close()`. The node stays the same for the life of the component.
 */
export function component(View) {
  return async (streamlit) => {
    const { data, parentElement } = streamlit;
    const host = parentElement.querySelector(".wk");
    const css = await styles();
    if (parentElement.adoptedStyleSheets && !parentElement.adoptedStyleSheets.includes(css)) {
      parentElement.adoptedStyleSheets = [...parentElement.adoptedStyleSheets, css];
    }
    applyTheme(host);
    let view = views.get(host);
    if (view === undefined) {
      host.replaceChildren();
      host.classList.remove("waiting");
      view = new View(host, data, streamlit);
      views.set(host, view);
    }
    view.update(data);
    return () => {
      views.delete(host);
      view.close();
    };
  };
}

const tokens = new Map();

/** The resolved colours of the tokens, for canvases. Cached for each theme, since every look-up costs a style pass. */
export function colours(host) {
  const style = getComputedStyle(host);
  return (name) => {
    const key = `${host.dataset.theme} ${name}`;
    if (!tokens.has(key)) tokens.set(key, style.getPropertyValue(`--${name}`).trim() || "#888888");
    return tokens.get(key);
  };
}
