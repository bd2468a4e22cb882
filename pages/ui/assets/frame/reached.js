// Lets the keyboard reach a box of Streamlit's that scrolls, and gives it a name: Streamlit gives it neither.

import { component } from "../core/dom.js";

const scrolls = (node) => ["auto", "scroll"].includes(getComputedStyle(node).overflowY);

const PAGE = "body, [data-testid=stMain]";

class Reached {
  update({ box, name }) {
    let node = document.querySelector(`.st-key-${box}`);
    while (node && !node.matches(PAGE) && !scrolls(node)) node = node.parentElement;
    if (!node || node.matches(PAGE)) return; // it does not scroll by itself, the page does
    for (const [key, value] of Object.entries({ tabindex: "0", role: "log", "aria-label": name })) node.setAttribute(key, value);
  }

  close() {}
}

export default component(Reached);
