// The columns that a person chose. They stand in the address, and are kept in this browser for the next visit.

const KEY = "watchkeeper.columns";

/** The titles kept under `name`, as far as they are among `titles`; null if none are. Where the browser keeps nothing, none are. */
export function keptColumns(storage, name, titles) {
  try {
    const found = JSON.parse(storage.getItem(`${KEY}.${name}`) ?? "null");
    const usable = Array.isArray(found) ? titles.filter((title) => found.includes(title)) : [];
    return usable.length ? usable : null;
  } catch {
    return null;
  }
}

/** Keep the titles under `name`; without any, the standard ones come back. */
export function keepColumns(storage, name, chosen) {
  try {
    if (chosen.length) storage.setItem(`${KEY}.${name}`, JSON.stringify(chosen));
    else storage.removeItem(`${KEY}.${name}`);
  } catch {
    // a private window keeps nothing; the address still has the columns
  }
}
