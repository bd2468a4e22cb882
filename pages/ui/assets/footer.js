// At the foot of the side bar: which machine this is, what the watch costs, how many samples came.

import { component, el, inert, setAttr, setText } from "./dom.js";
import { bytes, count, percent } from "./format.js";
import { live } from "./live.js";

class Footer {
  constructor(host) {
    this.hub = live();
    this.lines = [el("div", { class: "one-line text" }), el("div"), el("div")];
    host.append(el("div", { class: "watch" }, ...this.lines));
    this.subscription = this.hub.subscribe({ host: true, status: true });
    this.off = ["hello", "tick", "state"].map((type) => this.hub.on(type, () => this.update()));
  }

  update() {
    const { hello, tick } = this.hub;
    const machine = hello?.host;
    setText(this.lines[0], machine ? `${inert(machine.host, 60)} · ${machine.cpu_count} cores · ${bytes(machine.mem_total)}` : "connecting…");
    setText(this.lines[1], tick?.watch ? `watch costs ${percent(tick.watch.cpu_pct)} · ${bytes(tick.watch.rss)}` : "");
    const samples = tick?.samples;
    setText(this.lines[2], samples ? `${count(samples.received)} of ${count(samples.expected)} samples` : "");
    setAttr(this.lines[2], "class", samples?.missed ? "late" : null);
  }

  close() {
    this.subscription.close();
    for (const off of this.off) off();
  }
}

export default component(Footer);
