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

const raised = (line) => RAISED.exec(line.trimEnd())?.[1] ?? (PANIC.test(line) ? line : null);
