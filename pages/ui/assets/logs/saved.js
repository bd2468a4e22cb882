// Searches to suggest: those that people saved under names, and those that an earlier version kept in this browser.

const KEY = "watchkeeper.searches";
const MOST = 50;
const LONGEST = 4000;

/** The searches that this browser has kept from before they had names. Where it keeps nothing (a private window may not), there are none. */
export function keptSearches(storage) {
  try {
    const found = JSON.parse(storage.getItem(KEY) ?? "[]");
    return Array.isArray(found) ? found.filter((one) => typeof one === "string" && one && one.length <= LONGEST).slice(0, MOST) : [];
  } catch {
    return [];
  }
}

/** Suggestions for what is written, which may be nothing: searches whose name, or text, has it. `named`: `{name, detail, params}`. */
export function suggestedSearches(named, kept, written) {
  const words = written.trim().toLowerCase();
  const has = (text) => text.toLowerCase().includes(words);
  const mine = words ? [] : kept.map((query) => ({ label: query, detail: "★ kept in this browser", params: { query } }));
  return [...named.filter(({ name }) => has(name)).map(({ name, detail, params }) => ({ label: name, detail: `★ ${detail}`, params })), ...mine];
}

/** The address's parameters for a search: what another search had goes. */
export const paramsOfSearch = (params) => ({ query: null, q: null, case: null, raw: null, source: null, levels: null, process: null, run: null, record: null, ...params });
