// A model's answer about records, as plain text and marked as an opinion, with its citations as links and the measured facts.

import { follow, pageUrl, setParams } from "../core/address.js";
import { component, el, icon, inert, inertBlock } from "../core/dom.js";
import { clock, count, plural } from "../core/format.js";

const AROUND = 300e6;

class Opinion {
  constructor(host) {
    this.host = host;
  }

  /** `{opinion: Opinion | null, measured: [Citation], here}` in shapes of the API. `here` is the page; on the logs page records open beside the list. */
  update(data) {
    const text = JSON.stringify(data);
    if (text === this.text) return;
    this.text = text;
    this.here = data.here;
    const said = data.opinion ? this.#opinion(data.opinion) : null;
    const counted = data.opinion?.facts.length ? this.#counted(data.opinion.facts) : null;
    const measured = data.measured.length ? this.#measured(data.measured) : null;
    this.host.replaceChildren(el("div", { class: "opinions" }, said, counted, measured));
  }

  close() {}

  #opinion(said) {
    const who = el("span", { class: "aside text", text: inert(`${said.backend} · ${said.model} · ${said.seconds.toFixed(1)} s`, 200) });
    const next = said.next_step ? el("p", {}, el("b", { text: "Next: " }), el("span", { class: "text", text: inert(said.next_step, 400) })) : null;
    const rests = said.citations.length ? el("ul", { class: "cites", "aria-label": "Citations" }, ...said.citations.map((one) => this.#cite(one))) : el("p", { class: "unfounded" }, icon("warn"), " It cites no existing record, so nothing supports it.");
    return el("section", { class: "card opinion", "aria-label": "A model's opinion", role: "status" }, el("header", {}, el("h2", { text: "A model's opinion" }), who), el("p", { class: "says text", text: inertBlock(said.text, 2000) }), next, rests, el("p", { class: "small", text: provenance(said) }));
  }

  #measured(items) {
    return el("section", { class: "card", "aria-label": "Measured" }, el("header", {}, el("h2", { text: "Measured" }), el("span", { class: "aside", text: "Independent of the model" })), el("ul", { class: "cites" }, ...items.map((one) => this.#cite(one))));
  }

  #counted(facts) {
    return el("section", { class: "card", "aria-label": "Counted" }, el("header", {}, el("h2", { text: "Counted" }), el("span", { class: "aside", text: "Independent of the model" })), el("ul", { class: "cites counted" }, ...facts.map((fact) => this.#fact(fact))));
  }

  /** A sentence, as a link to the first record that shows it. */
  #fact({ text, records }) {
    return el("li", {}, records.length ? this.#record({ id: records[0] }, inert(text, 400)) : el("span", { class: "text", text: inert(text, 400) }));
  }

  #cite(one) {
    const words = inert(one.text.split("\n", 1)[0].replace(/^(reading:|process) /, ""), 400);
    const number = el("span", { class: "dim num", text: String(one.number) });
    if (one.kind === "reading") return el("li", {}, number, el("span", { class: "text", text: words }));
    if (one.kind === "process") return el("li", {}, number, this.#process(one, words));
    const level = one.level ? el("span", { class: `lv ${one.level}`, text: `${one.level.toUpperCase()} ` }) : null;
    const when = one.kind === "record" && one.ts ? el("span", { class: "dim", text: `${clock(one.ts, 0)} ` }) : null;
    return el("li", {}, number, el("span", {}, when, level, this.#record(one, words)));
  }

  /** Name and PID as a link; what the process used as text. */
  #process(one, words) {
    const at = words.indexOf(" used ");
    const name = at > 0 ? words.slice(0, at) : words;
    return el("span", { class: "text" }, follow(el("a", { class: "link", href: pageUrl("run", { run: one.id.slice(4) }), text: name })), words.slice(name.length));
  }

  #record(one, words) {
    const span = one.ts ? { range: "custom", from: new Date((one.ts - AROUND) / 1000).toISOString(), to: new Date((one.ts + AROUND) / 1000).toISOString() } : {};
    const link = el("a", { class: "link text", href: pageUrl("logs", { record: one.id, ...span }), text: words || "(empty)" });
    if (this.here !== "logs") return follow(link);
    link.onclick = (event) => {
      if (event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
      event.preventDefault();
      setParams({ record: one.id }, { replace: true });
    };
    return link;
  }
}

/** What the model received, and what was removed from its answer. */
function provenance(said) {
  const given = said.records === null ? "" : said.matched > said.records ? `${count(said.records)} of ${plural(said.matched, "record")} were sent to the model` : `${plural(said.records, "record")} sent to the model`;
  const parts = [given, said.omitted ? `${count(said.omitted)} did not fit` : "", said.invented ? `${plural(said.invented, "citation")} ${said.invented === 1 ? "was" : "were"} removed because nothing like it exists` : ""].filter(Boolean);
  return `${inert(said.notice, 200)} Secrets were masked${parts.length ? `; ${parts.join(", ")}` : ""}.`;
}

export default component(Opinion);
