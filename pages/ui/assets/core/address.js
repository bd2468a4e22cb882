// Writes what a component selects to the address, from which Streamlit reruns. Streamlit follows `popstate`, so pages change
// without a reload and the back button undoes a zoom.

/** The address of a page. A base path of the dashboard is kept. */
export function pageUrl(page, params = {}) {
  const path = location.pathname.replace(/[^/]*$/, "") + (page === "overview" ? "" : page);
  return withParams(path, new URLSearchParams(), params);
}

function withParams(path, query, params) {
  for (const [name, value] of Object.entries(params)) {
    if (value === null || value === undefined || value === "") query.delete(name);
    else if (Array.isArray(value)) {
      query.delete(name);
      for (const one of value) query.append(name, String(one));
    } else query.set(name, String(value));
  }
  const text = query.toString();
  return text ? `${path}?${text}` : path;
}

function announce() {
  dispatchEvent(new PopStateEvent("popstate"));
}

/** Go to another page, or another address of this one, without a reload. */
export function visit(url) {
  if (url === location.pathname + location.search) return;
  history.pushState({}, "", url);
  announce();
}

/** Change parameters of this page's address; `null` removes one, a list repeats it. With `replace` the history gets no new entry. */
export function setParams(params, { replace = false } = {}) {
  const url = withParams(location.pathname, new URLSearchParams(location.search), params);
  if (url === location.pathname + location.search) return;
  if (replace) history.replaceState(history.state, "", url);
  else history.pushState({}, "", url);
  announce();
}

/**
 * Let Back lead to the page as it was left. After a click in the navigation Streamlit first takes the parameters of the page that is left
 * out of its address, and enters that into the history: Back would lead there, to a page without its search.
 */
export function keepWayBack() {
  if (history.pushState.keepsWayBack) return;
  const push = history.pushState;
  let leaving = false;
  const told = (event) => {
    const anchor = event.composedPath().find((node) => node.tagName === "A" && node.href);
    leaving = Boolean(anchor) && new URL(anchor.href).pathname !== location.pathname;
  };
  for (const kind of ["pointerdown", "keydown", "click"]) addEventListener(kind, told, { capture: true, passive: true });
  history.pushState = function (state, title, url) {
    const to = url === undefined || url === null ? location : new URL(url, location.href);
    if (leaving && to.pathname === location.pathname) return;
    leaving = false;
    push.call(history, state, title, url);
  };
  history.pushState.keepsWayBack = true;
}

/** Let a plain click on a link of a text to a page of this app move within it: Streamlit opens a new tab for each link of a text. */
export function followTexts() {
  if (document.followsTexts) return;
  document.followsTexts = true;
  document.addEventListener("click", (event) => {
    const anchor = event.target.closest?.("a[target=_blank]");
    const [, page, query] = /^\/(\w*)(\?[^#]*)?$/.exec(anchor?.getAttribute("href") ?? "") ?? [];
    if (page === undefined || !plain(event)) return;
    event.preventDefault();
    visit(pageUrl(page || "overview") + (query ?? ""));
  });
}

const plain = (event) => event.button === 0 && !(event.ctrlKey || event.metaKey || event.shiftKey || event.altKey);

export const param = (name) => new URLSearchParams(location.search).get(name);
export const allParams = (name) => new URLSearchParams(location.search).getAll(name);

/** Make a plain click on an anchor move within the app; it stays a link that can be copied or opened in a new tab. */
export function follow(anchor) {
  anchor.addEventListener("click", (event) => {
    if (!plain(event)) return;
    event.preventDefault();
    visit(anchor.getAttribute("href"));
  });
  return anchor;
}
