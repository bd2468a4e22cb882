// Canvases that are sharp on every screen, their sizes, and sparklines.

const pens = new WeakMap();

/** Size the canvas to its box and the screen's pixels, clear it, and return a context in CSS pixels with `font`, when given. */
export function context(canvas, width, height, font = null) {
  const scale = devicePixelRatio || 1;
  const [w, h] = [Math.round(width * scale), Math.round(height * scale)];
  let pen = pens.get(canvas);
  if (pen === undefined || canvas.width !== w || canvas.height !== h) {
    canvas.width = w;
    canvas.height = h;
    pen = canvas.getContext("2d");
    pens.set(canvas, pen);
    pen.setTransform(scale, 0, 0, scale, 0, 0);
    if (font !== null) pen.font = font; // kept until the size changes: to set one costs a style pass
  }
  pen.clearRect(0, 0, width, height);
  return pen;
}

/**
 * Call `draw(width, height)` with the content size of an element whenever it changes. An observer costs nothing, while reading
 * the size between two changes of the page costs a layout.
 */
export function onSize(node, draw) {
  const observer = new ResizeObserver(([entry]) => draw(Math.round(entry.contentRect.width), Math.round(entry.contentRect.height)));
  observer.observe(node);
  return observer;
}

/** Ranges without gaps: `[[first, last], …]`. */
export function stretches(values) {
  const found = [];
  let begin = -1;
  for (let i = 0; i <= values.length; i += 1) {
    const has = i < values.length && values[i] !== null && values[i] !== undefined;
    if (has && begin < 0) begin = i;
    if (!has && begin >= 0) {
      found.push([begin, i - 1]);
      begin = -1;
    }
  }
  return found;
}

/** Draw a sparkline of the newest `slots` values, the newest at the right edge. Lines break at gaps. */
export function spark(canvas, values, { colour, width, height, top = null, slots = 60, area = true }) {
  const pen = context(canvas, width, height);
  const shown = values.slice(-slots);
  const peak = top ?? Math.max(1e-9, ...shown.filter((value) => value !== null)) * 1.15;
  const x = (i) => width - 1 - ((shown.length - 1 - i) / (slots - 1)) * (width - 2);
  const y = (value) => height - 1.5 - Math.min(1, Math.max(0, value / peak)) * (height - 4);
  pen.strokeStyle = pen.fillStyle = colour;
  pen.lineWidth = 1.5;
  pen.lineJoin = "round";
  for (const [first, last] of stretches(shown)) {
    pen.beginPath();
    for (let i = first; i <= last; i += 1) pen.lineTo(x(i), y(shown[i]));
    if (first === last) pen.lineTo(x(first) + 1, y(shown[first]));
    pen.stroke();
    if (!area) continue;
    pen.lineTo(x(last), height);
    pen.lineTo(x(first), height);
    pen.globalAlpha = 0.14;
    pen.fill();
    pen.globalAlpha = 1;
  }
}
