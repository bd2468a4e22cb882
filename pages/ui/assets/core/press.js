// A click on something that moves or is drawn anew by itself: until the pointer is let go, and the click was heard, the owner keeps
// everything as it is; what lay under the pointer when it was pressed is meant.

const STILL = 6; // px between press and release of a click; further away, something was dragged
const AFTER_MS = 60; // a click comes a moment after the release, from a finger later than from a mouse

export class Press {
  /** `on`: `{released(), at(event), click(thing)}`: told when things may change again; the others, which say what an event is on and take what was clicked, may be absent. */
  constructor(node, on) {
    this.on = on;
    this.down = false;
    this.off = [this.#listen(node, "pointerdown", (event) => this.#pressed(event)), () => clearTimeout(this.timer)];
    if (on.click) this.off.push(this.#listen(node, "click", (event) => this.#clicked(event)));
    for (const name of ["pointerup", "pointercancel", "blur"]) this.off.push(this.#listen(window, name, () => this.#let()));
  }

  close() {
    for (const off of this.off) off();
  }

  #listen(target, name, act) {
    target.addEventListener(name, act);
    return () => target.removeEventListener(name, act);
  }

  #pressed(event) {
    if (event.button !== 0) return;
    clearTimeout(this.timer);
    this.down = true;
    this.pressed = { thing: this.on.at?.(event), x: event.clientX, y: event.clientY };
  }

  #let() {
    if (!this.down) return;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.down = false;
      this.on.released();
    }, AFTER_MS);
  }

  #clicked(event) {
    const { pressed } = this;
    this.pressed = null;
    if (pressed && Math.hypot(event.clientX - pressed.x, event.clientY - pressed.y) > STILL) return;
    const thing = (event.detail ? pressed?.thing : null) ?? this.on.at(event); // a program clicks without a pointer
    if (thing) this.on.click(thing);
  }
}
