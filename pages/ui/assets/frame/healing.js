// Asks Streamlit for a rerun when the agent is back, so that the native parts of the page recover without a reload.

import { component } from "../core/dom.js";
import { live } from "../live/hub.js";

class Healing {
  constructor(_host, _data, { setTriggerValue }) {
    const hub = live();
    let away = hub.agent.state === "away";
    this.off = hub.on("state", () => {
      const now = hub.agent.state === "away";
      if (away && !now) setTriggerValue("back", Date.now());
      away = now;
    });
  }

  update() {}

  close() {
    this.off();
  }
}

export default component(Healing);
