"""A small world for the pictures of the README: its own processes, names, paths and logs, and nothing of the machine it runs on.

    unshare --pid --fork --kill-child --mount --uts --mount-proc python tests/system/browser/scene.py PORT

is the first process of a world of its own: the checkout stands at /srv/watchkeeper, the home at /home/ada, jobs under
/tmp/jobs. It prints what `watchkeeper up --json` prints. Only processor, memory and disk readings are the real machine's.
"""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[3]
HOME: Final = Path("/home/ada")
JOBS: Final = Path("/tmp/jobs")  # noqa: S108 - of this world alone, whose /tmp is empty
CHECKOUT: Final = Path("/srv/watchkeeper")
COMMON: Final = """
import json, logging, random, sys, time
from pathlib import Path
here, name = Path(__file__).parent, Path(__file__).stem
def spin(seconds):
    end = time.process_time() + seconds
    while time.process_time() < end:
        sum(i * i for i in range(2000))
"""
JOB_SCRIPTS: Final = {
    "train.py": """
logging.basicConfig(filename=here / "train.log", level=10, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
log, kept, loss = logging.getLogger("train"), [], 2.4
for step in range(10**6):
    spin(0.08); time.sleep(0.6)
    if step < 160: kept.append(bytearray(1_000_000))
    loss = loss * 0.999 + random.random() * 0.001
    log.info("epoch %d step %d loss %.4f, %.0f tokens/s", step // 200, step, loss, 900 + random.random() * 80)
    if step % 37 == 11: log.warning("gradient norm %.1f clipped to 1.0", 3 + random.random() * 9)
    if step % 20 == 0: log.debug("learning rate %.2e", 3e-4 * 0.999**step)
""",
    "collect.py": """
logging.basicConfig(filename=here / "collect.log", level=10, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
log = logging.getLogger("collect")
for page in range(10**6):
    spin(0.03); time.sleep(0.8)
    log.info("page %d: %d postings, %d new", page, 40, random.randrange(9))
    if page % 17 == 9: log.warning("retry %d of 3: https://jobs.example.net/p/%d answered 429", 1 + page % 2, page)
    if page % 53 == 29:
        try: json.loads("<html>Service unavailable</html>")
        except ValueError: log.exception("page %d could not be read", page)
""",
    "rank.py": """
import os
for _ in range(3):
    if os.fork() == 0: break
out = (here / "rank.log").open("a", buffering=1)
for job in range(10**6):
    spin(0.02); time.sleep(0.6)
    took, tokens = 0.4 + random.random() * 1.8, 200 + random.randrange(300)
    entry = {"ts": time.time(), "level": "info", "logger": "rank", "msg": f"posting {job} rated {random.randrange(40, 98)} of 100", "tokens": tokens, "seconds": round(took, 2)}
    out.write(json.dumps(entry) + "\\n")
    if job % 41 == 23: out.write(json.dumps({"ts": time.time(), "level": "error", "logger": "rank", "msg": f"posting {job}: no answer within 30 s, tried again later"}) + "\\n")
""",
    "index.py": """
out, store = (here / "index.log").open("a", buffering=1), here / "index.bin"
for part in range(10**6):
    spin(0.15); store.write_bytes(random.randbytes(6_000_000)); time.sleep(6)
    out.write(f"{time.strftime('%Y-%m-%dT%H:%M:%S%z')} level=info msg=\\"segment written\\" part={part} size=6000000\\n")
""",
}


def own_snapshot() -> None:
    """Hide what belongs to the machine behind empty folders and names of our own."""
    for folder in ("/srv", "/home", "/tmp", "/var/log"):  # noqa: S108 - mount points
        if Path(folder).is_dir():
            _run("mount", "-t", "tmpfs", "none", folder)
    for ours in (CHECKOUT, HOME / ".config", JOBS):
        ours.mkdir(parents=True)
    _run("mount", "--rbind", str(ROOT), str(CHECKOUT))
    passwd = HOME / "passwd"
    passwd.write_text(f"ada:x:{os.getuid()}:0:Ada:{HOME}:/bin/sh\n", encoding="utf-8")
    _run("mount", "--bind", str(passwd), "/etc/passwd")
    socket.sethostname("workstation")


def _run(*words: str) -> None:
    subprocess.run(words, check=True, timeout=20, stdin=subprocess.DEVNULL)


def past(now: float) -> None:
    """What the jobs wrote in the hour before."""
    levels = ["INFO"] * 9 + ["DEBUG", "WARNING"]
    with (JOBS / "collect.log").open("w", encoding="utf-8") as log:
        for i in range(1500):
            at = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(now - 3500 + i * 2.3))
            level = "ERROR" if i % 190 == 57 else levels[i * 7 % 11]
            told = "could not be read" if level == "ERROR" else f"40 postings, {i * 13 % 9} new"
            log.write(f"{at},{i * 37 % 1000:03d} {level} collect: page {i - 1500}: {told}\n")


def main(port: str) -> None:
    """Build the world, start its jobs, and become `watchkeeper up`."""
    own_snapshot()
    past(time.time())
    python = CHECKOUT / Path(sys.executable).relative_to(ROOT) if sys.prefix.startswith(str(ROOT)) else sys.executable
    for name, script in JOB_SCRIPTS.items():
        program = JOBS / name
        program.write_text(f"#!{python}\n{COMMON}{script}", encoding="utf-8")
        program.chmod(0o755)
    start = [f"{JOBS / name} &" for name in JOB_SCRIPTS]
    start += ["sleep 86400 &", f"tail -F {JOBS}/train.log > /dev/null 2>&1 &"]
    start += [f"cd {CHECKOUT}", f"{python} -m monitor up --no-browser --port {port} --json"]
    (JOBS / "start").write_text("\n".join(start), encoding="utf-8")
    kept = {name: value for name, value in os.environ.items() if name in {"PATH", "LANG", "TZ"}}
    environment = kept | {"HOME": str(HOME), "WATCHKEEPER_LOGS__JOURNAL": "false"}
    os.execve("/bin/sh", ["sh", str(JOBS / "start")], environment)  # noqa: S606 - the shell reaps what others leave


if __name__ == "__main__":
    main(sys.argv[1])
