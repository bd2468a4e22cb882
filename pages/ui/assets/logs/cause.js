// What a record of several lines is about: the exception that was raised, which stands at the end of its traceback or at its beginning.

const RAISED = /^(?:Caused by: )?((?:[A-Za-z_$][\w$]*\.)*[A-Z][\w$]*(?:Error|Exception|Warning|Interrupt|Exit|Failure|Timeout|Throwable)\b(?::.*)?)$/;
const PYTHON = /^[A-Za-z_][\w.]*(?:: .*)?$/;
const PANIC = /^(?:panic: |fatal error: |thread '.*' panicked at )/;
const LINES = 400;

/** `[exception, message]`: the exception is "" where none was raised, or where the message says it itself. */
export function causeOf(message) {
  const [first, ...others] = message.split("\n", LINES);
  if (!others.some((line) => /^\s/.test(line))) return ["", first];
  // Python names the exception that ended it last; Java and Node name it before the frames, and its causes behind it.
  const traced = [first, ...others].findIndex((line) => line.startsWith("Traceback (most recent call last)"));
  const named = traced < 0 ? others.map(raised).find(Boolean) : others.slice(traced).findLast((line) => PYTHON.test(line.trimEnd()));
  const exception = (named ?? "").trimEnd();
  return first.includes(exception) ? ["", first] : [exception, first];
}

const STACK = /(?:^|[._])(?:exc_?info|exc_?text|exception|stack_?trace|trace_?back|backtrace|stack)$/i;

/** As `causeOf`, of a record: a structured one may have the stack among its fields. */
export function causeIn(record) {
  const [exception, head] = causeOf(record.message);
  if (exception) return [exception, head];
  const stack = stackOf(record.fields);
  if (!stack) return ["", head];
  const [first] = stack.split("\n", 1);
  const [found] = causeOf(`\n${stack}`);
  const named = found || raised(first) || (/^[\w.$]*(?:Error|Exception)\b/.test(first) ? first.trimEnd() : "");
  return head.includes(named) ? ["", head] : [named, head];
}

function stackOf(fields, within = "") {
  for (const [name, value] of Object.entries(fields ?? {})) {
    const found = typeof value === "string" ? (value.includes("\n") && STACK.test(within + name) ? value : "") : value !== null && typeof value === "object" && !Array.isArray(value) ? stackOf(value, `${within}${name}.`) : "";
    if (found) return found;
  }
  return "";
}

const raised = (line) => RAISED.exec(line.trimEnd())?.[1] ?? (PANIC.test(line) ? line : null);
