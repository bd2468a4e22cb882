"""Messages of many lines, put together by chance, behind headers put together by chance: each belongs to its record, whole."""

import random
from datetime import datetime
from pathlib import Path
from typing import Final

import pytest

from logs.parsing.parse import parse_file
from tests.unit.logs.test_logs_combined import LEVELS, STYLES, TIMES, layout, write_log

TRACES: Final = (
    'job 7 failed\nTraceback (most recent call last):\n  File "/srv/w.py", line 12, in run\n    go()\n  File "/srv/w.py", line 4, in go\n    {}["a"]\nKeyError: \'a\'\n\nDuring handling of the above exception, another exception occurred:\n\nTraceback (most recent call last):\n  File "/srv/w.py", line 14, in run\n    raise ValueError("bad payload")\nValueError: bad payload',
    "job 7 failed\njava.lang.IllegalStateException: bad payload\n\tat com.acme.Db.open(Db.java:42)\n\tat com.acme.Main.main(Main.java:7)\nCaused by: java.io.IOException: no such file\n\tat com.acme.Io.read(Io.java:3)\n\t... 1 more",
    "job 7 failed: TypeError: Cannot read properties of undefined (reading 'id')\n    at handle (/srv/app.js:12:9)\n    at async run (/srv/app.js:40:3)\n    at node:internal/main/run_main_module:28:49 {\n  code: 'E_PAYLOAD'\n}",
    "job 7 failed: bad payload\ngoroutine 17 [running]:\nmain.(*Worker).run(0xc000010000, {0x4b2f00, 0x7})\n\t/srv/main.go:54 +0x1d\nmain.main()\n\t/srv/main.go:12 +0x2a",
    "job 7 failed: load data\n\nCaused by:\n    0: open data.bin\n    1: no such file (os error 2)\n\nStack backtrace:\n   0: shop::load\n             at ./src/main.rs:6:27\n   1: shop::main\n             at ./src/main.rs:33:62",
    "job 7 failed\nSystem.InvalidOperationException: bad payload\n   at Acme.Db.Open(String path) in /srv/Db.cs:line 42\n   at Acme.Program.Main() in /srv/Program.cs:line 7\n ---> System.IO.IOException: no such file\n   --- End of inner exception stack trace ---",
    "job 7 failed\n/srv/app.rb:12:in `open': bad payload (ArgumentError)\n\tfrom /srv/app.rb:40:in `run'\n\tfrom /srv/app.rb:52:in `<main>'",
    "job 7 failed\n#0 /srv/app.php(12): open('data.bin')\n#1 /srv/app.php(40): run()\n#2 {main}",
)
"""Stacks of eight languages."""
BLOCKS: Final = (
    "query:\nSELECT id, name\nFROM users u\n  JOIN orders o ON o.user_id = u.id\nWHERE u.id = 42\nORDER BY 1;",
    "SELECT users.id AS users_id, users.name AS users_name\nFROM users\nWHERE users.id = %(id_1)s\n LIMIT %(param_1)s",
    'configuration:\n{\n  "level": "error",\n  "retries": 3,\n  "hosts": [\n    "a",\n    "b"\n  ]\n}',
    'response {\n    "status": 200,\n    "time": "2020-01-01T00:00:00Z"\n}',
    "patch:\n--- a/app.py\n+++ b/app.py\n@@ -1,4 +1,4 @@\n import os\n-debug = True\n+debug = False\n print(os)",
    " id |  name\n----+--------\n  1 | alice\n  2 | bob\n(2 rows)",
    "results\n+----+-------+\n| id | name  |\n+----+-------+\n|  1 | alice |\n+----+-------+",
    "frame:\n   id   name  score\n0   1  alice   0.50\n1   2    bob   0.75\n\n[2 rows x 3 columns]",
    "metrics\n              precision    recall  f1-score   support\n\n           0       0.91      0.90      0.91       100\n           1       0.88      0.89      0.88        80\n\n    accuracy                           0.90       180",
    "┌──────┬───────┐\n│ name │ score │\n├──────┼───────┤\n│ a    │ 0.5   │\n└──────┴───────┘",
    "settings:\nretries: 3\nhosts:\n  - a\n  - b\ntimeout: 2.5",
    "environment\nPATH=/usr/bin:/bin\nHOME=/root\nLANG=C.UTF-8",
    "request\nGET /api/items HTTP/1.1\nHost: example.org\nAccept: */*\n\nbody of it",
    "packet\n00000000  47 45 54 20 2f 20 48 54  54 50 2f 31 2e 31 0d 0a  |GET / HTTP/1.1..|\n00000010  0d 0a                                             |..|",
    "steps:\n1. open the file\n2. read it\n3. close it",
    "changes:\n* first\n* second\n- third",
    "first paragraph\n\nsecond paragraph\n\n\nthird paragraph",
    '<?xml version="1.0"?>\n<order id="7">\n  <item>book</item>\n</order>',
    "page:\n<html>\n<body>\n<h1>502 Bad Gateway</h1>\n</body>\n</html>",
    "usage: tool [-h] [--level LEVEL]\n\noptions:\n  -h, --help  show this help\n  --level LEVEL",
    "output of the command:\nerror: could not compile `shop`\nwarning: unused variable\nmake: *** [all] Error 2",
    "tensor([[0.1, 0.2],\n        [0.3, 0.4]])",
    "matrix\n[[1 2]\n [3 4]]",
    "banner\n  ____\n / ___|\n \\___ \\\n |____/",
    "Epoch 1/3\n10/10 [==============================] - 1s 12ms/step\nloss: 0.25",
    "certificate\n-----BEGIN CERTIFICATE-----\nMIIBszCCAVmgAwIBAgIUJ0\n-----END CERTIFICATE-----",
    "dear reader,\nThis is a text that goes on\nin the next line. It ends here.",
    "plan:\nSeq Scan on users  (cost=0.00..1.04 rows=1 width=36)\n  Filter: (id = 42)\nPlanning Time: 0.1 ms\nExecution Time: 0.2 ms",
    "while True:\n    pass\n# end",
    "$ ls -l\ntotal 8\n-rw-r--r-- 1 root root 12 Dec  3 07:31 a.txt\ndrwxr-xr-x 2 root root 40 Dec  3 07:31 b",
)  # fmt: skip
"""What else programs write over several lines."""
SHORT: Final = ("service started on port 8080", "cache miss for key user:42", "disk usage at 91 percent", "0 errors, 0 warnings found", "request finished user_id=42 duration_ms=17.5", "größe 12 µm – 完了", "done")  # fmt: skip


def events(chance: random.Random) -> list[tuple[int, str]]:
    """Levels and messages: ordinary ones, and among them those of many lines."""
    result = [(chance.choice((0, 1, 1, 1, 2)), chance.choice(SHORT)) for _ in range(chance.randrange(6, 14))]
    for _ in range(chance.randrange(2, 6)):
        block = (3, chance.choice(TRACES)) if chance.random() < 0.35 else (chance.choice((0, 1, 1, 2, 3)), chance.choice(BLOCKS))  # fmt: skip
        result.insert(chance.randrange(1, len(result) + 1), block)
    return result


@pytest.mark.parametrize("seed", [*range(6), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(6, 40))])
def test_messages_of_many_lines_are_read_whole(seed: int, tmp_path: Path) -> None:
    """Each event is a record with all its lines, its level and its time."""
    chance = random.Random(seed)
    wrong = []
    for number in range(15):
        header = layout(chance)
        path = tmp_path / f"{number}.log"
        _, truth = write_log(path, header, events(chance), chance)
        found = list(parse_file(path))
        got = [(record["line_no"], record["lines"], record["level"]) for record in found]
        wanted = [(begin, many, level) for begin, many, _, level, _ in truth]
        if got != wanted:
            first = next((a, b) for a, b in zip([*got, None], [*wanted, None], strict=False) if a != b)
            wrong.append((header, first, path.read_text("utf-8").split("\n")[first[1][0] - 1] if first[1] else ""))
            continue
        unit = TIMES[header.time][1] + 0.002
        if any(abs(datetime.fromisoformat(r["ts"] or "1970-01-01T00:00:00Z").timestamp() - t[2]) > unit for r, t in zip(found, truth, strict=True)):  # fmt: skip
            wrong.append((header, found[0], "time"))
    assert not wrong


TIMELESS: Final = (
    "{}:app.db:",
    "{}: ",
    "[{}] ",
    "{} | ",
    "app: {} ",
    "{} app.db: ",
    "<{}> ",
    "{} - app - ",
    "[{}] [app.db] ",
    "app.db {} ",
)
"""Headers without a time; for {} stands the level."""


_AMBIGUOUS: Final = ("output of the command:", "$ ls")
"""What begins like records of another program."""


@pytest.mark.parametrize("seed", [*range(4), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(4, 40))])
def test_messages_of_many_lines_are_read_whole_without_times(seed: int, tmp_path: Path) -> None:
    """The same where headers say a level only."""
    chance = random.Random(seed)
    wrong = []
    for number in range(15):
        header, style = chance.choice(TIMELESS), chance.choice(STYLES)
        lines, truth, place = [], [], 1
        for level, message in events(chance):
            if message.startswith(_AMBIGUOUS):
                continue
            text = header.format(style[level]) + message
            truth.append((place, text.count("\n") + 1, LEVELS[level]))
            place += text.count("\n") + 1
            lines.append(text)
        path = tmp_path / f"{number}.log"
        path.write_text("\n".join(lines) + "\n", "utf-8")
        got = [(record["line_no"], record["lines"], record["level"]) for record in parse_file(path)]
        if got != truth:
            first = next((a, b) for a, b in zip([*got, None], [*truth, None], strict=False) if a != b)
            wrong.append(
                (
                    (header, style[3]),
                    first,
                    path.read_text("utf-8").split("\n")[first[1][0] - 1 :][:4] if first[1] else "",
                )
            )
    assert not wrong
