// Below the navigation: counts of processes, errors and engines, the machine, what Watchkeeper uses, samples received, and
// the button for the keyboard help.

import { follow, followTexts, keepWayBack, pageUrl } from "../core/address.js";
import { component, el, inert, setAttr, setText } from "../core/dom.js";
import { bytes, count, NONE, percent } from "../core/format.js";
import { live, markStale } from "../live/hub.js";
import { openHelp } from "./keys.js";

class Footer {
  constructor(host) {
    keepWayBack();
    followTexts();
    this.hub = live();
    this.lines = [el("div", { class: "text", style: "overflow-wrap:anywhere" }), el("div"), el("div")];
    this.processes = tally("processes", {}, "processes");
    this.errors = tally("logs", { levels: "fatal,error" }, "errors, 10 min");
    this.engines = tally("ai", {}, "engines ready");
    const help = el("button", { class: "plain help", type: "button", "aria-haspopup": "dialog" }, "Keyboard shortcuts ", el("kbd", { text: "?" }));
    help.onclick = openHelp;
    host.append(el("div", { class: "tallies fades" }, this.processes.link, this.errors.link, this.engines.link), el("div", { class: "watch" }, ...this.lines), help);
    this.subscription = this.hub.subscribe({ host: true, status: true });
    this.off = [markStale(host), ...["hello", "tick", "state", "status"].map((type) => this.hub.on(type, () => this.update()))];
  }

  update() {
    const { hello, tick } = this.hub;
    const machine = hello?.host;
    setText(this.lines[0], machine ? `${inert(machine.host, 60)} · ${machine.cpu_count} cores · ${bytes(machine.mem_total)}` : "Connecting…");
    setText(this.lines[1], tick?.watch ? `Overhead ${percent(tick.watch.cpu_pct)} · ${bytes(tick.watch.rss)}` : "");
    const samples = tick?.samples;
    setText(this.lines[2], samples ? `${count(samples.received)} of ${count(samples.expected)} samples` : "");
    setAttr(this.lines[2], "class", samples?.missed ? "late" : null);
    this.#tallies();
  }

  #tallies() {
    const { status, tick } = this.hub;
    const errors = status?.errors?.last_10_min;
    setText(this.processes.number, count(tick?.host?.procs_total ?? status?.processes));
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

/** A number with its name, as a link to the page with details. */
function tally(page, params, name) {
  const number = el("b", { text: NONE });
  return { number, link: follow(el("a", { href: pageUrl(page, params) }, el("span", { text: name }), number)) };
}

export default component(Footer);
