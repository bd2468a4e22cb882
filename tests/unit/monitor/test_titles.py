"""Titles of processes, as a person would say them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.process_title import Titles, title_of, told_apart


@pytest.mark.parametrize(
    ("name", "cmdline", "title"),
    [
        ("nginx", "nginx: worker process", "nginx"),
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
        ("sshd", "sshd: root@pts/0", "sshd"),
        ("python", "python -c import time; time.sleep(9)", "python -c …"),
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
