"""Runs the scripts of the pages without a browser, in the Node that Playwright's package brings."""

import functools
import json
import select
import subprocess
from typing import Any, Final

from playwright._impl._driver import compute_driver_executable

from pages.server.assets import FOLDER
from tests.waiting import patient

NODE: Final = compute_driver_executable()[0]
SERVER: Final = """
const { Worker } = require("node:worker_threads");
require("node:readline").createInterface({ input: process.stdin }).on("line", (line) => {
  const { program, given } = JSON.parse(line);
  const worker = new Worker(program, { eval: true, workerData: given, stdout: true });
  const said = {};
  worker.on("message", (answer) => { said.answer = answer });
  worker.on("error", (error) => { said.error = String(error?.stack ?? error) });
  worker.on("exit", () => console.log(JSON.stringify(said)));
});
"""
"""Runs each script in a thread with scripts of its own, loaded anew: a third of what a process for each takes."""
PROGRAM: Final = """
const {{ parentPort, workerData: given }} = require("node:worker_threads");
const load = (name) => import(`{folder}/${{name}}.js`);
(async () => {{
{body}
}})().then((answer) => {{ parentPort.postMessage(JSON.stringify(answer)); process.exit() }});
"""


def run_script(body: str, given: Any = None, *, zone: str = "UTC") -> Any:
    """What `body` returns.

        run_script('const { bytes } = await load("core/format"); return given.map((one) => bytes(one))', [1024])

    Args:
        body: of an async function; `load(name)` imports a script by its path below `assets/`, `given` is the input.
        given: JSON.
        zone: the local time zone of the script.
    """
    node = _node(zone)
    assert node.stdin is not None
    assert node.stdout is not None
    asked = {"program": PROGRAM.format(folder=FOLDER.as_uri(), body=body), "given": given}
    node.stdin.write(f"{json.dumps(asked)}\n")
    node.stdin.flush()
    ready, _, _ = select.select([node.stdout], [], [], patient(30))
    if not ready:
        node.kill()
        _node.cache_clear()
    line = node.stdout.readline()
    assert line, "the script did not end"
    said = json.loads(line)
    assert "answer" in said, said.get("error", "the script ended without an answer")
    return json.loads(said["answer"])


@functools.cache
def _node(zone: str) -> subprocess.Popen[str]:
    """A Node in a time zone; it ends with the tests, which close its input."""
    return subprocess.Popen(
        [NODE, "--eval", SERVER], env={"TZ": zone}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
