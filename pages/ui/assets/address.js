// The address is the view: what a component selects is written there, and Streamlit reruns from it.
// Streamlit follows `popstate`, so pages change without a reload and "back" undoes a zoom.

/** `links` of the page: page name → path, so that a base path is kept. */
export function pageUrl(page, params = {}) {
  const path = location.pathname.replace(/[^/]*$/, "") + (page === "overview" ? "" : page);
  return withParams(path, new URLSearchParams(), params);
}

function withParams(path, query, params) {
  for (const [name, value] of Object.entries(params)) {
    if (value === null || value === undefined || value === "") query.delete(name);
    else query.set(name, String(value));
  }
  const text = query.toString();
  return text ? `${path}?${text}` : path;
}

function announce() {
  dispatchEvent(new PopStateEvent("popstate"));
}

/** Go to another page (or another address of this one) without a reload. */
export function visit(url) {
  if (url === location.pathname + location.search) return;
  history.pushState({}, "", url);
  announce();
}

/** Change some parameters of this page's address; `null` removes one. `replace` leaves no step in the history. */
export function setParams(params, { replace = false } = {}) {
  const url = withParams(location.pathname, new URLSearchParams(location.search), params);
  if (url === location.pathname + location.search) return;
  if (replace) history.replaceState(history.state, "", url);
  else history.pushState({}, "", url);
  announce();
}

export const param = (name) => new URLSearchParams(location.search).get(name);

/** Make an anchor that works as a link (new tab, copy) and moves within the app on a plain click. */
export function follow(anchor) {
  anchor.addEventListener("click", (event) => {
    if (event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    visit(anchor.getAttribute("href"));
  });
  return anchor;
}
