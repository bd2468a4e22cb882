"""Titles of processes, as a person would say them."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from monitor.cli.inspect import cpu_limit, short_command
from monitor.core.process_title import Titles, folder_of, is_worker_of, runs_script, title_of, told_apart


@pytest.mark.parametrize(
    ("name", "cmdline", "title"),
    [
        ("nginx", "nginx: worker process", "nginx: worker process"),
        (
            "postgres",
            "postgres: shop shopdb 10.0.0.3(51422) SELECT waiting for a lock",
            "postgres: shop shopdb 10.0.0.3(51422) S…",
        ),
        ("gunicorn", "gunicorn: worker [shop.web:app]", "gunicorn: worker [shop.web:app]"),
        ("ray::train", "ray::train()", "ray::train()"),
        ("gunicorn", "/v/bin/python /v/bin/gunicorn -w 4 shop.web:app", "gunicorn shop.web:app"),
        ("uvicorn", "/v/bin/python3 /v/bin/uvicorn mail.app:make() --port 80", "uvicorn mail.app:make()"),
        ("python", "python -m gunicorn -w 4 shop:app", "python -m gunicorn shop:app"),
        ("celery", "/v/bin/python /v/bin/celery -A shop worker -Q mail,push -c 4", "celery worker mail,push"),
        ("python", "python -m celery -A shop worker --hostname=w1@%h", "python -m celery worker w1@%h"),
        ("celery", "/v/bin/python /v/bin/celery -A shop beat", "celery beat"),
        ("chrome", "/opt/google/chrome/chrome --type=renderer --crashpad-handler-pid=7 --lang=en", "chrome (renderer)"),
        ("chrome", "/opt/google/chrome/chrome --type=renderer --extension-process", "chrome (extension)"),
        (
            "Chrome_ChildIOT",
            "/usr/lib/chromium/chromium --type=gpu-process --gpu-preferences=W",
            "chromium (gpu-process)",
        ),
        (
            "code",
            "/usr/share/code/code --type=utility --utility-sub-type=node.mojom.NodeService --lang=en",
            "code (node)",
        ),
        (
            "slack",
            "/usr/lib/slack/slack --type=utility --utility-sub-type=video_capture.mojom.X",
            "slack (video capture)",
        ),
        ("Isolated Web Co", "/usr/lib/firefox/firefox -contentproc -childID 3 -isForBrowser 7 tab", "firefox (tab)"),
        ("firefox", "/usr/lib/firefox/firefox -contentproc 9F", "firefox"),
        ("mybackup", "mybackup --type=full", "mybackup"),
        ("uv", "uv run etl.py", "uv run etl.py"),
        ("uv", "uv run --with x etl.py", "uv run"),
        ("uv", "uv run -q --no-sync pytest -x", "uv run pytest"),
        ("poetry", "/v/bin/python /v/bin/poetry run src/main.py", "poetry run src/main.py"),
        ("npm run dev", "npm run dev", "npm run dev"),
        ("docker-entrypoi", "/bin/sh /usr/local/bin/docker-entrypoint.sh postgres", "docker-entrypoint.sh postgres"),
        ("tini", "tini -- redis-server /etc/redis.conf", "tini redis-server"),
        ("pt_main_thread", "/v/bin/python3.11 -u train.py --lr 1", "python3.11 train.py"),
        ("pt_main_thread", "python train.py --local-rank=3 --lr 1", "python train.py (rank 3)"),
        ("memfd:sealed-91", "tools/backend --uid 0", "backend"),
        ("3", "/usr/bin/runc init", "runc init"),
        ("memfd:x", "", "memfd:x"),
        ("MainThread", "node /srv/shop/dist/index.js", "node shop/dist/index.js"),
        ("node", "node /srv/shop/node_modules/.bin/next dev", "node next"),
        (
            "python",
            "python -m ipykernel_launcher -f /r/kernel-3f2a1b9c-11d2-4e0f-9a7b.json",
            "python -m ipykernel_launcher 3f2a1b9c",
        ),
        (
            "python",
            "python -c from multiprocessing.spawn import spawn_main; spawn_main(tracker_fd=5) --multiprocessing-fork",
            "python multiprocessing worker",
        ),
        (
            "python",
            "python -c from multiprocessing.resource_tracker import main;main(5)",
            "python multiprocessing resource tracker",
        ),
        ("java", "java --add-opens java.base/java.lang=ALL-UNNAMED -jar /srv/shop/app.jar", "java -jar shop/app.jar"),
        ("java", "java -Xmx4g -cp /a.jar org.apache.kafka.Kafka server.properties", "java org.apache.kafka.Kafka"),
        (
            "bash",
            "bash -c cd /srv && exec ./start.sh --port 8000 --verbose",
            "bash -c cd /srv && exec ./start.sh --por…",
        ),
        ("python", "/usr/bin/python worker.py --fast", "python worker.py"),
        ("python3.11", "python3.11 -u -X dev /srv/app/main.py", "python3.11 app/main.py"),
        ("python", "python main.py", "python main.py"),
        ("python", "python ../main.py", "python main.py"),
        ("python", "python -m http.server 8000", "python -m http.server 8000"),
        ("python", "/venv/bin/python -m monitor agent --data-dir /srv", "python -m monitor agent"),
        ("python", "python -m pip --version", "python -m pip"),
        ("python", "python -m json.tool /etc/secret.json", "python -m json.tool"),
        ("git", "git fetch --all", "git fetch"),
        ("ollama", "/usr/local/bin/ollama runner --model x", "ollama runner"),
        ("watchkeeper", "/venv/bin/python /venv/bin/watchkeeper up --port 0", "watchkeeper up"),
        ("sleep", "sleep 300", "sleep"),
        ("cat", "cat /etc/passwd", "cat"),
        ("sshd", "sshd: root@pts/0", "sshd: root@pts/0"),
        ("python", "python -c import time; time.sleep(9)", "python -c import time; time.sleep(9)"),
        ("python", "/opt/my own env/bin/python /srv/job.py", "python job.py"),
        ("python", "/opt/my env/bin/python", "python"),
        ("python", "python3 train.py", "python train.py"),
        ("java", "java -cp /a.jar:/b.jar -jar /srv/app.jar", "java -jar app.jar"),
        ("bash", "bash /dev/fd/3", "bash"),
        ("bash", "-bash", "bash"),
        ("sh", "sh /srv/run.d/", "sh run.d"),
        ("python", "", "python"),
        ("python", None, "python"),
        ("node", "node --require /x.js server.js", "node server.js"),
        ("bash", "bash -lc make all; echo", "bash -c make all; echo"),
        ("bash", "bash --rcfile /x -euo pipefail -c make all", "bash -c make all"),
        ("bash", "bash -o pipefail run.sh", "bash run.sh"),
        ("zsh", "zsh -ic", "zsh -c"),
        ("fish", "fish -c ls", "fish -c ls"),
        ("python3", "python3 -uBm shop.worker", "python3 -m shop.worker"),
        ("python3", "python3 -Wignore -IX dev /srv/etl.py", "python3 etl.py"),
        ("python3", "python3 shop/manage.py runserver 8000", "python3 shop/manage.py runserver"),
        ("php", "php -d memory_limit=1G artisan queue:work", "php artisan queue:work"),
        ("php", "php -r echo 1;", "php -r echo 1;"),
        ("perl", "perl -lne print a.txt", "perl -e print a.txt"),
        ("node", "node --eval x()", "node -e x()"),
        (
            "shim database",
            "/v/bin/python -I -S /v/monitor/services/shim/run.py 9 /d/services/api /d/services/database",
            "shim database",
        ),
        ("shim database", "python shim/run.py", "python shim/run.py"),
        ("bun", "bun run --hot dev", "bun run dev"),
        ("deno", "deno run", "deno run"),
        ("", "whatever", "?"),
    ],
)
def test_an_interpreter_is_named_with_what_it_runs(name: str, cmdline: str | None, title: str) -> None:
    """Script, module or jar; options and their values are passed over, also where the interpreter's folder has a space."""
    assert title_of(name, cmdline) == title


@given(st.sampled_from(["python", "sh", "java"]), st.text(max_size=200))
def test_any_command_line_has_a_title(name: str, cmdline: str) -> None:
    """Nothing that stands in a command line breaks it, and the name stays in front."""
    assert title_of(name, cmdline).startswith(name)
    folder_of(name, cmdline, None)


@given(st.text(max_size=20), st.text(max_size=200))
@example("celery", "celery")
def test_any_process_has_a_title(name: str, cmdline: str) -> None:
    """It is short, whatever a process calls itself."""
    assert title_of(name, cmdline).strip() or not name.strip()
    assert len(title_of(name, cmdline)) <= 40 + len(name) + len(cmdline)


@pytest.mark.parametrize(
    ("name", "cmdline", "folder"),
    [
        ("python", "python /srv/shop/etl.py --all", "/srv/shop"),
        ("python", "python etl.py /srv/shop", "/work"),
        ("python", "python -m worker /srv/shop", "/work"),
        ("java", "java -jar /opt/a/b.jar", "/opt/a"),
        ("pt_main_thread", "python -u /srv/a/train.py", "/srv/a"),
        ("python", "python /x.py", "/"),
        ("nginx", "nginx /srv/x", "/work"),
        ("python", None, "/work"),
    ],
)
def test_the_folder_of_a_script_tells_more_than_the_one_it_works_in(
    name: str, cmdline: str | None, folder: str
) -> None:
    """Services of one machine all work in the same folder."""
    assert folder_of(name, cmdline, "/work") == folder


FOLDERS = st.sampled_from(["/", "/srv/shop", "/srv/mail", "/old/srv/shop", "/shop/", "/x/shop", None])


def test_the_folder_tells_apart_only_what_is_called_the_same() -> None:
    """As much of its end as is needed; a title that stands alone, or whose folder is the same or unknown, stays as it is."""
    titles = ["w", "w", "w", "w", "v", "v", "u", "t", "t"]
    folders = ["/a/shop", "/b/shop", "/mail", None, "/x", "/x", "/y", "/", "/srv"]
    told = ["w (a/shop)", "w (b/shop)", "w (/mail)", "w", "v", "v", "u", "t (/)", "t (srv)"]
    assert told_apart(titles, folders) == told


@given(st.lists(st.tuples(st.integers(0, 6), st.sampled_from("wv"), FOLDERS, st.booleans())))
def test_titles_that_change_one_by_one_are_those_of_all_at_once(steps: list[tuple[int, str, str | None, bool]]) -> None:
    """Whatever begins, changes and ends: each has the title that a list of all would give it, and every change is told."""
    titles, now, seen = Titles(), dict[int, tuple[str, str | None]](), dict[int, str | None]()
    for run, title, folder, ends in steps:
        if ends:
            now.pop(run, None)
            changed = titles.renew([], [run])
        else:
            now[run] = (title, folder)
            changed = titles.renew([(run, title, folder)], [])
        seen = {one: titles.of(one) if one in changed else seen[one] for one in now}
        assert list(seen.values()) == told_apart([one for one, _ in now.values()], [one for _, one in now.values()])


@pytest.mark.parametrize(
    ("title", "parent", "part"),
    [
        ("nginx: worker process", "nginx: master process /usr/sbin/nginx", True),
        ("python train.py", "python train.py", True),
        ("python multiprocessing worker", "python train.py", True),
        ("chromium (renderer)", "chromium", True),
        ("chromium (renderer)", "chromium (zygote)", True),
        ("chromium (renderer)", "bash", False),
        ("postgres: checkpointer", "postgres -D /srv", False),
        ("nginx: worker process", "postgres: checkpointer", False),
        ("python etl.py", "bash -c a: b", False),
    ],
)
def test_workers_are_parts_of_their_program(title: str, parent: str, *, part: bool) -> None:
    """Whatever they call themselves."""
    assert is_worker_of(title, parent) == part


@pytest.mark.parametrize(
    ("name", "cmdline", "own"),
    [
        ("python3", "python3 etl.py --day 7", True),
        ("python3", "/srv/etl/.venv/bin/python3 -u /srv/etl/bin/load.py", True),
        ("python", "python -m shop.nightly", True),
        ("java", "java -Xmx1g -jar shop.jar", True),
        ("node", "node ./report.mjs", True),
        ("pt_main_thread", "/opt/conda/bin/python3.11 /home/ada/train.py", True),
        ("python3", "python3 -c raise SystemExit(1)", False),
        ("python3", "python3", False),
        ("python3", "/usr/bin/python3 /usr/lib/command-not-found gti", False),
        ("pytest", "/srv/etl/.venv/bin/python /srv/etl/.venv/bin/pytest", False),
        ("node", "node /srv/shop/node_modules/.bin/../eslint/bin/eslint.js", False),
        ("grep", "grep -q x etl.py", False),
        ("python3", "python3 /dev/fd/3", False),
        ("sleep", None, False),
    ],
)
def test_scripts_that_somebody_wrote_are_told_from_installed_commands(
    name: str, cmdline: str | None, *, own: bool
) -> None:
    """By where they lie, and by what the interpreter was given."""
    assert runs_script(name, cmdline) is own


@pytest.mark.parametrize(
    ("command", "title", "member", "shown"),
    [
        ("python worker.py", "python worker.py (shop)", None, "python worker.py (shop)"),
        ("python train.py", "python train.py (rank 3)", "rank 3", "python train.py (rank 3)"),
        ("python worker.py", "python worker.py", None, "python worker.py"),
        ("nginx: worker (old)", "nginx: worker (old)", None, "nginx: worker (old)"),
        ("x" * 300, "x (shop)", None, "x" * 192 + "… (shop)"),
    ],
)
def test_the_command_line_tells_equal_commands_apart(command: str, title: str, member: str | None, shown: str) -> None:
    """By what their titles have and the command has not, which is never cut off."""
    assert short_command(command, title, member) == shown


def test_a_limit_of_cpu_says_how_often_it_was_hit() -> None:
    """Where it was."""
    assert [cpu_limit(0.2, 98.7), cpu_limit(1.0, 0.0), cpu_limit(2.5, None)] == [
        "0.2 cores, waits 99 %",
        "1 core",
        "2.5 cores",
    ]
