// A click on something that moves by itself: what lay under the pointer when it was pressed is meant, and until the pointer is let go
// the owner keeps everything where it is.

const STILL = 6; // px between press and release of a click; further away, something was dragged

export class Press {
  /** `on`: `{at(event), click(thing), released()}`. `at` says what an event is on, `released` is told when things may move again. */
  constructor(node, on) {
    this.on = on;
    this.down = false;
    this.off = [this.#listen(node, "pointerdown", (event) => this.#pressed(event)), this.#listen(node, "click", (event) => this.#clicked(event))];
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
    this.down = true;
    this.pressed = { thing: this.on.at(event), x: event.clientX, y: event.clientY };
  }

  #let() {
    if (!this.down) return;
    this.down = false;
    this.on.released();
  }

  #clicked(event) {
    const { pressed } = this;
    this.pressed = null;
    if (pressed && Math.hypot(event.clientX - pressed.x, event.clientY - pressed.y) > STILL) return;
    const thing = (event.detail ? pressed?.thing : null) ?? this.on.at(event); // a program clicks without a pointer
    if (thing) this.on.click(thing);
  }
}
