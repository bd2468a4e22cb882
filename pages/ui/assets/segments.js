// A row of choices of which one holds; it is written to the address, from where the page follows.

import { setParams } from "./address.js";
import { component, el, setAttr } from "./dom.js";

class Segments {
  constructor(host, { label }) {
    this.box = el("div", { class: "seg", role: "group", "aria-label": label });
    host.append(this.box);
  }

  /** `{label, param, options: [[value, title]], chosen, standard, clears}`; the standard value is left out of the address. */
  update(data) {
    const shape = JSON.stringify(data.options);
    if (shape !== this.shape) {
      this.shape = shape;
      this.buttons = data.options.map(([value, title]) => [value, el("button", { type: "button", text: title, onclick: () => this.#choose(value) })]);
      this.box.replaceChildren(...this.buttons.map(([, button]) => button));
    }
    this.data = data;
    this.#mark(data.chosen);
  }

  close() {}

  #mark(chosen) {
    for (const [value, button] of this.buttons) setAttr(button, "aria-pressed", String(value === chosen));
  }

  #choose(value) {
    const { param, standard, clears, chosen } = this.data;
    if (value === chosen) return;
    this.#mark(value); // at once; the page follows
    setParams({ ...Object.fromEntries((clears ?? []).map((name) => [name, null])), [param]: value === standard ? null : value });
  }
}

export default component(Segments);
