// What the browser keeps for this site.

/** The storage; null where scripts may not use it. */
export function browserStorage() {
  try {
    return globalThis.localStorage ?? null;
  } catch {
    return null;
  }
}
