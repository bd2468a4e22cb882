// Searches that a person saved. They are kept in this browser, newest first; another browser has its own.

const KEY = "watchkeeper.searches";
const MOST = 50;
const LONGEST = 4000;

/** The saved searches. Where the browser keeps nothing (a private window may not), there are none. */
export function savedSearches(storage) {
  try {
    const found = JSON.parse(storage.getItem(KEY) ?? "[]");
    return Array.isArray(found) ? found.filter((one) => typeof one === "string" && one && one.length <= LONGEST).slice(0, MOST) : [];
  } catch {
    return [];
  }
}

/** Save a search, or forget it when it is saved; returns whether it is saved now. */
export function toggleSaved(storage, query) {
  const before = savedSearches(storage);
  const others = before.filter((one) => one !== query);
  const saving = others.length === before.length && query !== "";
  try {
    storage.setItem(KEY, JSON.stringify((saving ? [query, ...others] : others).slice(0, MOST)));
  } catch {
    return before.includes(query); // nothing can be kept here
  }
  return saving;
}
