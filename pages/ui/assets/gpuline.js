// One sentence about the GPUs: why there is nothing to show, or what of them cannot be read. Silent when all is well.

import { component, el, inert, setText } from "./dom.js";
import { plural } from "./format.js";
import { live } from "./live.js";

const WORDS = { none: "No GPU here", stale: "The GPUs do not answer", error: "The GPUs cannot be read" };

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
