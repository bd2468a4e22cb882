// Reads from the agent's API through the dashboard. Every request has a deadline.

const ROOT = () => new URL("../../api/v1/", import.meta.url);

export class ApiError extends Error {
  constructor(message, hint, status) {
    super(message);
    this.hint = hint;
    this.status = status;
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
