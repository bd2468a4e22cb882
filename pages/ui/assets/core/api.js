// Reads from the agent's API through the dashboard. Every request has a deadline.

const ROOT = () => new URL("../../api/v1/", import.meta.url);

export class ApiError extends Error {
  constructor(message, hint, status) {
    super(message);
    this.hint = hint;
    this.status = status;
  }
}

/** One question at a time: a new one, or `stop`, gives up the one before, whose answer nobody waits for any more. */
export class Latest {
  #abort = null;

  /** Whether an answer is awaited. */
  get waits() {
    return this.#abort !== null;
  }

  stop() {
    this.#abort?.abort();
    this.#abort = null;
  }

  /** Awaits `ask(signal)`, then calls `take` with what it found, or `fail` with its error; neither for a question that was given up. */
  async ask(ask, take, fail) {
    this.stop();
    const abort = (this.#abort = new AbortController());
    try {
      const found = await ask(abort.signal);
      if (!abort.signal.aborted) await take(found, abort.signal);
    } catch (error) {
      if (!abort.signal.aborted) fail(error);
    } finally {
      if (this.#abort === abort) this.#abort = null;
    }
  }
}

/** The JSON answer of `GET /v1/<path>`; parameters that are null or empty are left out. */
export async function get(path, params = {}, { signal, seconds = 10 } = {}) {
  const url = new URL(path, ROOT());
  for (const [name, value] of Object.entries(params)) {
    if (value !== null && value !== undefined && value !== "") url.searchParams.set(name, String(value));
  }
  const deadline = AbortSignal.timeout(seconds * 1000);
  let answer;
  try {
    answer = await fetch(url, { signal: signal ? AbortSignal.any([signal, deadline]) : deadline });
  } catch (error) {
    if (signal?.aborted) throw error;
    const late = error.name === "TimeoutError";
    throw new ApiError(late ? `no answer within ${seconds} s` : "the dashboard does not respond", late ? "Choose a shorter time range." : "Check that Watchkeeper is running.", 0);
  }
  const body = await answer.json().catch((error) => {
    if (signal?.aborted) throw error;
    if (answer.ok) throw new ApiError("the connection was interrupted", "Retrying.", answer.status);
    return {};
  });
  if (answer.ok) return body;
  throw new ApiError(body.error?.message ?? `HTTP ${answer.status}`, body.error?.hint ?? "", answer.status);
}
