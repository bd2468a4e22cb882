"""Runs the scripts of the pages without a browser, in the Node that Playwright's package brings."""

import json
import subprocess
from typing import Any, Final

from playwright._impl._driver import compute_driver_executable

from pages.server.assets import FOLDER
from tests.waiting import patient

NODE: Final = compute_driver_executable()[0]
PROGRAM: Final = """
import {{ readFileSync }} from "node:fs";
const load = (name) => import(`{folder}/${{name}}.js`);
const given = JSON.parse(readFileSync(0, "utf8"));
const answer = await (async () => {{
{body}
}})();
console.log(JSON.stringify(answer));
"""


def run_script(body: str, given: Any = None, *, zone: str = "UTC") -> Any:
    """What `body` returns.

        run_script('const { bytes } = await load("core/format"); return given.map((one) => bytes(one))', [1024])

    Args:
        body: of an async function; `load(name)` imports a script by its path below `assets/`, `given` is the input.
        given: JSON.
        zone: the local time zone of the script.
    """
    done = subprocess.run(
        [NODE, "--input-type=module", "--eval", PROGRAM.format(folder=FOLDER.as_uri(), body=body)],
        input=json.dumps(given),
        env={"TZ": zone},
        capture_output=True,
        text=True,
        timeout=patient(30),
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
