// One sentence about the GPUs: how many are read, or why there is nothing to show.

import { component, el, inert, setText } from "../core/dom.js";
import { plural } from "../core/format.js";
import { live } from "../live/hub.js";

const WORDS = { none: "No GPU found", stale: "The GPUs do not respond", error: "The GPUs cannot be read" };

class GpuLine {
  constructor(host) {
    this.hub = live();
    this.line = el("div", { class: "muted one-line text", style: "font-size:13px;padding:0 4px" });
    host.append(this.line);
    this.subscription = this.hub.subscribe({ host: true });
    this.off = this.hub.on("tick", () => this.update());
  }

  update() {
    const { gpu_state: state, gpu_message: message, gpus } = this.hub.tick ?? {};
    const rest = inert(message ?? "", 300).replace(/\.$/, "");
    const text = !state ? "" : state === "ok" ? `${plural((gpus ?? []).length, "GPU")}, read once a second.` : `${WORDS[state] ?? state}${rest ? `: ${rest}` : ""}.`;
    setText(this.line, text);
  }

  close() {
    this.off();
    this.subscription.close();
  }
}

export default component(GpuLine);
