// Below the navigation: what is behind its entries now, which machine this is, what the watch costs, how many samples came.

import { follow, pageUrl } from "./address.js";
import { component, el, inert, setAttr, setText } from "./dom.js";
import { bytes, count, NONE, percent } from "./format.js";
import { live, markStale } from "./live.js";

class Footer {
  constructor(host) {
    this.hub = live();
    this.lines = [el("div", { class: "text", style: "overflow-wrap:anywhere" }), el("div"), el("div")];
    this.processes = tally("processes", {}, "processes");
    this.errors = tally("logs", { levels: "fatal,error" }, "errors, 10 min");
    this.engines = tally("ai", {}, "engines ready");
    host.append(el("div", { class: "tallies fades" }, this.processes.link, this.errors.link, this.engines.link), el("div", { class: "watch" }, ...this.lines));
    this.subscription = this.hub.subscribe({ host: true, status: true });
    this.off = [markStale(host), ...["hello", "tick", "state", "status"].map((type) => this.hub.on(type, () => this.update()))];
  }

  update() {
    const { hello, tick } = this.hub;
    const machine = hello?.host;
    setText(this.lines[0], machine ? `${inert(machine.host, 60)} · ${machine.cpu_count} cores · ${bytes(machine.mem_total)}` : "connecting…");
    setText(this.lines[1], tick?.watch ? `watch costs ${percent(tick.watch.cpu_pct)} · ${bytes(tick.watch.rss)}` : "");
    const samples = tick?.samples;
    setText(this.lines[2], samples ? `${count(samples.received)} of ${count(samples.expected)} samples` : "");
    setAttr(this.lines[2], "class", samples?.missed ? "late" : null);
    this.#tallies();
  }

  #tallies() {
    const { status, tick } = this.hub;
    const errors = status?.errors?.last_10_min;
    setText(this.processes.number, count(status?.processes ?? tick?.host?.procs_total));
    setText(this.errors.number, count(errors));
    setAttr(this.errors.number, "class", errors ? "some" : null);
    const engines = status?.engines;
    setText(this.engines.number, engines ? `${engines.filter((one) => one.state === "ready").length} of ${engines.length}` : NONE);
  }

  close() {
    this.subscription.close();
    for (const off of this.off) off();
  }
}

/** A number with its name, leading to the page that has more. */
function tally(page, params, name) {
  const number = el("b", { text: NONE });
  return { number, link: follow(el("a", { href: pageUrl(page, params) }, el("span", { text: name }), number)) };
}

export default component(Footer);
