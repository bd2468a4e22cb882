// Links that show the same tomorrow, and the clipboard.

/**
 * Put text on the clipboard; answers whether it is there. Browsers have the clipboard on this machine and over HTTPS only. Elsewhere a field
 * that nobody sees is copied.
 */
export async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const field = document.createElement("textarea");
    field.value = text;
    field.style.cssText = "position:fixed;opacity:0";
    document.body.append(field);
    field.select();
    const done = document.execCommand("copy");
    field.remove();
    return done;
  }
}

/**
 * An address in which a range that ends now and moves is one between two moments. Other addresses stay as they are.
 *
 * `href`: the address of the page; `windows`: name of each range that moves → seconds; `now`: ms since the epoch.
 */
export function lastingUrl(href, windows, now) {
  const url = new URL(href);
  const seconds = windows[url.searchParams.get("range") ?? "live"];
  if (!seconds) return href;
  const iso = (at) => new Date(at).toISOString();
  for (const [name, value] of [["range", "custom"], ["from", iso(now - seconds * 1000)], ["to", iso(now)]]) url.searchParams.set(name, value);
  return url.href;
}
