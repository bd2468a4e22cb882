"""Layouts of loggers that few use, each with lines that are alike and mean something else."""

from pathlib import Path

import pytest

from tests.doubles.written_log import parsed
from tests.unit.logs.test_logs_reader import FIRST, SECOND, seen

pytestmark = pytest.mark.usefixtures("utc")

_EARLY, _LATE = "03-20T22:11:12", "03-21T09:12:13"

RIGHT = {
    "a thread's number between the time and the level": (
        "03-20 22:11:12.345 1 WARN  app: slow\n03-21 09:12:13.345 23 ERROR app: gone\n03-21 09:12:13.345 1 INFO  app: up\n",
        [FIRST, SECOND, (_LATE, "info", 1)],
    ),
    "how many errors there were, behind the time": (
        "2026-03-20 22:11:12 0 ERROR, 3 WARN\n2026-03-21 09:12:13 2 ERROR, 0 WARN\n2026-03-21 09:12:13 all read\n",
        [(_EARLY, None, 1), (_LATE, None, 1), (_LATE, None, 1)],
    ),
    "a short day and clock with their zone": (
        "260320T221112Z | W | app | slow\n260321T101213+01:00 | E | app | gone\n",
        [FIRST, SECOND],
    ),
    "a sign between day and clock": (
        "20-03-26@22:11:12 WARN <app> slow\n21-03-26@09:12:13 ERROR <app> gone\n",
        [FIRST, SECOND],
    ),
    "an address before the clock": (
        "20-03-26 root@a1 22:11:12 WARN slow\n",
        [FIRST],
    ),
    "objects that line breaks cut": (
        '{"t": 1774044672.345, "lev": "WARN", "text": "slow:\n  3 s"}\n{"t": 1774084333.345, "lev": "ERROR", "text": "gone:\n  a"}\n',
        [(_EARLY, "warn", 2), (_LATE, "error", 2)],
    ),
    "levels cut to three letters": (
        "22:11:12|INF|a: up\n22:11:12|DEB|a: x\n22:11:12|WAR|a: slow\n22:11:12|SUC|a: over\n22:11:12|ERR|a: THE WAR\n",
        [("03-20T22:11:12", level, 1) for level in ("info", "debug", "warn", "info", "error")],
    ),
    "words of three letters where no level is": (
        "2026-03-20 22:11:12 WAR AND PEACE\n2026-03-20 22:11:12 DEB is a package\n2026-03-21 09:12:13 TRA LA LA\n",
        [(_EARLY, None, 1), (_EARLY, None, 1), (_LATE, None, 1)],
    ),
    "levels between those with names, behind a time": (
        (
            "2026-03-20 22:11:12 WARN app > slow\n2026-03-21 09:12:13 ERR+2 app > gone\n2026-03-21 09:12:13 ERROR+4 app > dead\n"
            "2026-03-21 09:12:13 INFO app > 1+1\n"
        ),
        [FIRST, SECOND, (_LATE, "fatal", 1), (_LATE, "info", 1)],
    ),
    "signs around levels": (
        "20.03.2026 22:11:12.345 *WARN* [main] app slow\n21.03.2026 09:12:13.345 *ERROR* [main] app gone\n",
        [FIRST, SECOND],
    ),
    "quotation marks around levels": (
        "2026-03-20 22:11:12 «WARN» slow\n2026-03-21 09:12:13 «ERROR» gone\n",
        [FIRST, SECOND],
    ),
    "the first hour of a day as its last one": (
        "3/20/2026, 24:11:12 WARN slow\n3/21/2026, 09:12:13 ERROR gone\n",
        [("03-20T00:11:12", "warn", 1), SECOND],
    ),
    "signs of other kinds among those for levels": (
        " ✓ Ready\n ○ Compiling\n ⚠ slow\n ⨯ gone\n   at a (b.js:1)\n ○ more\n",
        [(None, level, lines) for level, lines in (("info", 1), (None, 1), ("warn", 1), ("error", 2), (None, 1))],
    ),
    "a clock behind messages": (
        (
            "WARN  the queue of shop 3 is slow [22:11:12.345]\nERROR gone at 07:00:00 for good [22:11:12.345]\n"
            "INFO  listening on port 80 of eth0 [22:11:12.345]\n"
        ),
        [("03-20T22:11:12", level, 1) for level in ("warn", "error", "info")],
    ),
    "messages that may end with a clock": (
        "WARN  the queue of shop 3 is slow since 20:00:00\nERROR gone\nINFO  up\nINFO  the next look at it is due at 23:00:00\nINFO  up\n",
        [(None, level, 1) for level in ("warn", "error", "info", "info", "info")],
    ),
    "a level before a bar is no service": (
        "WARN | 2026-03-20 22:11:12.345 | a:3 | main | slow:\n  2 s\nERROR | 2026-03-21 09:12:13.345 | a:4 | main | gone\n",
        [(_EARLY, "warn", 2), SECOND],
    ),
    "a service before a bar": (
        "web   | 2026-03-20T22:11:12.345Z WARN slow\nINFO-db | 2026-03-21T09:12:13.345Z ERROR gone\n",
        [FIRST, SECOND],
    ),
    "texts without quotes among pairs": (
        "time=26-03-20 22:11:12 level=warning msg=slow for 3 s id=7\ntimestamp=21.03.2026 09:12:13 level=error event=gone\n",
        [FIRST, SECOND],
    ),
    "blank lines at the end of a record, and one before each": (
        "\n22:11:12.345 [warning] slow\n\n22:11:12.345 [error] gone:\n  a.ex:3\n\n\n22:11:12.345 [info] up\n"
        + "\n22:11:12.345 [info] up\n" * 3,
        [("03-20T22:11:12", level, lines) for level, lines in (("warn", 2), ("error", 3), *[("info", 2)] * 4)],
    ),
    "zap's highest level under a letter": (
        '{"L":"WARN","T":"2026-03-20T22:11:12.345Z","M":"slow"}\n{"L":"DPANIC","T":"2026-03-21T09:12:13.345Z","M":"dead"}\n',
        [FIRST, (_LATE, "fatal", 1)],
    ),
    "a letter that names something else": (
        '{"L":"log","t":1774044672,"m":"x"}\n{"l":"note","t":1774084333,"m":"y"}\n',
        [(_EARLY, None, 1), (_LATE, None, 1)],
    ),
    "signs between brackets that tell of success and trouble": (
        "[*] up\n[!] slow\n[-] gone:\n  for good\n[+] back\n[*] [-] is no name\n",
        [(None, level, lines) for level, lines in (("info", 1), ("warn", 1), ("error", 2), ("info", 1), ("info", 1))],
    ),
    "a dash between brackets for want of a name": (
        "2026-03-20T22:11:12+0000 [-] up\n2026-03-20T22:11:12+0000 [Shop,1] slow\n2026-03-21T09:12:13+0000 [-] [!] gone\n",
        [(_EARLY, None, 1), (_EARLY, None, 1), (_LATE, None, 1)],
    ),
    "a clock with letters": (
        "22h11m12s INFO up\n22h11m12s WARN slow\n22h11m13s ERROR gone\n",
        [("03-20T22:11:12", "info", 1), ("03-20T22:11:12", "warn", 1), ("03-20T22:11:13", "error", 1)],
    ),
    "a clock with dots": (
        "22.11.12 INFO a 1.2.3\n22.11.12 WARN slow\n22.11.13 ERROR gone\n",
        [("03-20T22:11:12", "info", 1), ("03-20T22:11:12", "warn", 1), ("03-20T22:11:13", "error", 1)],
    ),
    "a clock with dots and hours of one digit": (
        "9.59.58 INFO up\n9.59.59 WARN slow 1.2.3\n10.00.00 ERROR gone\n",
        [("03-21T09:59:58", "info", 1), ("03-21T09:59:59", "warn", 1), ("03-21T10:00:00", "error", 1)],
    ),
    "arrays of JSON": (
        '["2026-03-20T22:11:12Z","WARN","app.db","slow",{"id":7}]\n["2026-03-21T09:12:13Z","ERROR","app.db","gone"]\n["2026-03-21T09:12:13Z","INFO","app","two\\nlines"]\n',
        [FIRST, SECOND, (_LATE, "info", 1)],
    ),
    "arrays of JSON, with numbers": (
        '[1774044672.345, 30, "slow"]\n[1774084333, 40, "gone"]\n',
        [FIRST, SECOND],
    ),
    "arrays of JSON without times": (
        '["INFO","up"]\n["ERROR","gone"]\n["3","INFO"]\n["a"]\n',
        [(None, level, 1) for level in ("info", "error", None, None)],
    ),
    "how verbose a line is, in brackets": (
        "2026-03-20 22:11:12 VLOG[2] miss\n2026-03-20 22:11:12 WARNING slow\n2026-03-21 09:12:13 ERROR gone\n",
        [(_EARLY, "debug", 1), FIRST, SECOND],
    ),
    "a priority before each line of a record": (
        (
            "<6>a[7]: up\n<4>a[7]: slow:\n<4>a[7]:   3 s\n<3>a[7]: gone\n<3>a[7]: Traceback (most recent call last):\n"
            '<3>a[7]:   File "a.py", line 3, in f\n<3>a[7]: ValueError: 3\n<2>a[7]: dead\n'
        ),
        [(None, level, lines) for level, lines in (("info", 1), ("warn", 2), ("error", 4), ("fatal", 1))],
    ),
    "signs for levels on a terminal without them": (
        "i up\n\N{SQUARE ROOT} done\n\N{DOUBLE EXCLAMATION MARK} slow\n\N{MULTIPLICATION SIGN} gone\n    at a (b.js:1)\ni am back\n",
        [(None, level, lines) for level, lines in (("info", 1), ("info", 1), ("warn", 1), ("error", 2), ("info", 1))],
    ),
    "a pid and a syslog priority": (
        "[4521:5    0] up\n[4521:4    1] slow\n[4521:3   12] gone\n[4521:7   12] miss\n",
        [(None, level, 1) for level in ("info", "warn", "error", "debug")],
    ),
    "a pid before what is no request": (
        '(4521) up\n(4521) taken\n127.0.0.1 - - [20/Mar/2026 22:11:12] "GET / HTTP/1.1" 404 1\n(4521) taken\n',
        [(None, None, 1), (None, None, 1), FIRST, (_EARLY, None, 1)],
    ),
    "another time behind the same names": (
        "ice INFO: 2026/03/20 22:11:12 up\n" * 8
        + "ice DEBUG: 22:11:12.345 a.go:3: miss\n"
        + "ice ERROR: 2026/03/21 09:12:13 gone\n  and more\n",
        [*[(_EARLY, "info", 1)] * 8, ("03-20T22:11:12", "debug", 1), (_LATE, "error", 2)],
    ),
    "letters for Java's levels": (
        "I 20-03-2026 22:11:12 up\nF 20-03-2026 22:11:12 miss\nW 20-03-2026 22:11:12 slow\nS 21-03-2026 09:12:13 gone\n",
        [(_EARLY, "info", 1), (_EARLY, "debug", 1), FIRST, SECOND],
    ),
    "minutes and seconds since the start": (
        "00:00  INFO: up\n00:07 DEBUG: miss\n01:02 ERROR: gone\n  more\n61:00  INFO: over\n",
        [
            ("03-21T09:14:00", "info", 1),
            ("03-21T09:14:07", "debug", 1),
            ("03-21T09:15:02", "error", 2),
            ("03-21T10:15:00", "info", 1),
        ],
    ),
    "signs before the time, some of them unknown": (
        (
            "\N{TELEPHONE RECEIVER} 2026-03-20 22:11:12 up\n\N{COLLISION SYMBOL} 2026-03-20 22:11:12 dead\n"
            "\N{TELEPHONE RECEIVER} 2026-03-20 22:11:12 up\n\N{CROSS MARK} 2026-03-21 09:12:13 gone\n"
        ),
        [(_EARLY, None, 1), (_EARLY, "fatal", 1), (_EARLY, None, 1), SECOND],
    ),
    "an asterisk among letters": (
        "[*] up\n[D] miss\n[W] slow:\n |  3 s\n[E] gone\n[*] over\n",
        [(None, level, lines) for level, lines in (("info", 1), ("debug", 1), ("warn", 2), ("error", 1), ("info", 1))],
    ),
    "a level between two names": (
        "(20.03 22:11) main/WARN@Shop => slow\n(21.03 09:12) main/ERROR@Shop => gone\n",
        [("03-20T22:11:00", "warn", 1), ("03-21T09:12:00", "error", 1)],
    ),
    "levels for trouble alone": (
        "up\nWARNING: slow\n   at: a.c:3\nthe queue is empty\nERROR: gone\n   at: b.c:4\nERROR: gone\nall over\n3 of 4 passed\n",
        [
            (None, level, n)
            for level, n in ((None, 1), ("warn", 2), (None, 1), ("error", 2), ("error", 1), (None, 1), (None, 1))
        ],
    ),
    "headers in lines of their own, behind a stack": (
        "[2026-03-20 22:11:12]\nlevel=WARN\nmessage=slow\n\n" * 2
        + '[2026-03-21 09:12:13]\nlevel=ERROR\nmessage=gone\nTraceback (most recent call last):\n  File "a.py", line 3, in f\nValueError: 3\n'
        + "[2026-03-21 09:12:13]\nlevel=INFO\nmessage=up\n",
        [(_EARLY, "warn", 3), (_EARLY, "warn", 3), (_LATE, "error", 6), (_LATE, "info", 3)],
    ),
    "days and versions that could be clocks": (
        "20.03.26 INFO up\n20.03.26 WARN slow\n21.03.26 ERROR gone\n",
        [(None, level, 1) for level in ("info", "warn", "error")],
    ),
    "levels in colour inside an object": (
        (
            '{"level":"\\u001b[33mwarn\\u001b[39m","message":"slow","timestamp":"2026-03-20T22:11:12Z"}\n'
            '{"level":"\\u001b[31merror\\u001b[39m","message":"gone","timestamp":"2026-03-21T09:12:13Z"}\n'
        ),
        [FIRST, SECOND],
    ),
    "a function called as a level is, where few lines are of another kind": (
        "2026-03-20 22:11:12 - shop - main.py:5 - log - DEBUG - x\n" * 6
        + "2026-03-20 22:11:12 -print- up\n2026-03-20 22:11:12 - shop - main.py:5 - log - ERROR - gone\n",
        [*[(_EARLY, "debug", 1)] * 6, (_EARLY, None, 1), (_EARLY, "error", 1)],
    ),
    "a word with a colon that ends a line, and no logger": (
        "2026-03-20 22:11:12:WARNING:report:\n  3 shards\n2026-03-21 09:12:13:ERROR:gone\n",
        [(_EARLY, "warn", 2), SECOND],
    ),
    "a column of numbers since the start": (
        "     3 main up\n    15 main x\n"
        + "".join(f"{n:6} main up\n" for n in range(40, 90, 10))
        + "   101 main summary:\n\n  3 of 4 passed\n   201 main up\n",
        [("03-21T10:14:59", None, 1)] * 7 + [("03-21T10:14:59", None, 3), ("03-21T10:15:00", None, 1)],
    ),
    "Go's logr, with a name behind the place": (
        (
            '2026/03/20 22:11:12 main.go:17: ctrl: "level"=0 "msg"="up"\n2026/03/20 22:11:12 main.go:17: ctrl/db: "level"=1 "msg"="x"\n'
            '2026/03/21 09:12:13 main.go:17: ctrl: "msg"="gone" "error"="dead"\n'
        ),
        [(_EARLY, "info", 1), (_EARLY, "debug", 1), SECOND],
    ),
    "objects whose message was put between quotes as it was": (
        '{"at": "2026-03-20 22:11:12,345", "sev": "WARNING", "what": "slow"}\n'
        + '{"at": "2026-03-21 09:12:13,345", "sev": "INFO", "what": "up"}\n' * 5
        + '{"at": "2026-03-21 09:12:13,345", "sev": "INFO", "what": "it says "up", twice"}\n'
        + '{"at": "2026-03-21 09:12:13,345", "sev": "ERROR", "what": "gone:\nfor good"}\n',
        [FIRST] + [(_LATE, "info", 1)] * 6 + [(_LATE, "error", 2)],
    ),
    "objects in an object": (
        (
            '{"meta": {"time": "2026-03-20T22:11:12.345Z", "lvl": "warning"}, "payload": {"msg": "slow"}}\n'
            '{"meta": {"time": "2026-03-21T09:12:13.345Z", "lvl": "error"}, "payload": {"msg": "gone"}}\n'
        ),
        [FIRST, SECOND],
    ),
    "small letters before a colon in some lines": (
        (
            "[2026-03-20T22:11:12.345] up\n[2026-03-20T22:11:12.345] warning: slow\n[2026-03-20T22:11:12.345] usage: high\n[2026-03-20T22:11:12.345] up\n"
            "[2026-03-21T09:12:13.345] debug:  x\n[2026-03-21T09:12:13.345] error: gone\n[2026-03-21T09:12:13.345] up and an error: no\n"
        ),
        [(_EARLY, level, 1) for level in (None, "warn", None, None)]
        + [(_LATE, level, 1) for level in ("debug", "error", None)],
    ),
    "a time that is part of a message": (
        "2026-03-20 22:11:12 WARN to sign:\nHMAC\n20260320T221112Z\n20260320/eu\n"
        + "2026-03-21 09:12:13 INFO up\n" * 40,
        [(_EARLY, "warn", 4)] + [(_LATE, "info", 1)] * 40,
    ),
    "levels in brackets, and chained tracebacks": (
        "[get][info] up\n" * 6
        + "[get][debug] x\n[get][warning] slow\nfor long\n[get][error] gone\n"
        + "\nDuring handling of the above exception, another exception occurred:\n\n".join(
            ['Traceback (most recent call last):\n  File "a.py", line 3, in run\nValueError: a\n'] * 6
        )
        + "[get][info] over\n",
        [(None, "info", 1)] * 6 + [(None, "debug", 1), (None, "warn", 2), (None, "error", 34), (None, "info", 1)],
    ),
    "names of functions that are spelt like levels": (
        "up\nEngine.Debug:Log(a)\nslow\nEngine.Debug:Log(b)\ngone\nEngine.Debug:Log(c)\n",
        [(None, None, 1)] * 6,
    ),
    "a header in a line of its own, and a message that looks like one": (
        "--- 20 Mar 22:11:12 WARN ---\nERROR: is only a word\n--- 21 Mar 09:12:13 ERROR ---\nINFO: also\n",
        [("03-20T22:11:12", "warn", 2), ("03-21T09:12:13", "error", 2)],
    ),
    "a word right before the clock": (
        "main@22:11:12,345 WARN> slow\nmain@22:11:12,345 ERROR> gone\n",
        [("03-20T22:11:12", "warn", 1), ("03-20T22:11:12", "error", 1)],
    ),
    "signs around a level": (
        "%WARN% 20260320T221112 slow\n%INFO% 20260320T221112 up\n%ERROR% 20260321T091213 gone\n",
        [FIRST, (_EARLY, "info", 1), SECOND],
    ),
    "a level at the end, before a place": (
        (
            "2026-03-20 22:11:12,345 slow (WARNING) [app.py:10]\n2026-03-20 22:11:12,345 up:\n  3 shards (INFO) [app.py:9]\n"
            "2026-03-21 09:12:13,345 gone (ERROR) [app.py:12]\n"
        ),
        [FIRST, (_EARLY, "info", 2), SECOND],
    ),
    "a stack among prints behind the names of programs": (
        (
            "22:11:12 system   | web.1 started\n22:11:12 web.1    | up\n22:11:12 system   | job.1 started\n"
            + "22:11:12 web.1    | GET /\n22:11:12 job.1    | up\n" * 5
            + "22:11:12 job.1    | Traceback (most recent call last):\n"
            '22:11:12 job.1    |   File "a.py", line 1, in f\n22:11:12 job.1    | KeyError: 1\n22:11:12 system   | job.1 stopped\n'
        ),
        [(_EARLY, None, 1)] * 13 + [(_EARLY, "error", 3), (_EARLY, None, 1)],
    ),
    "what Node writes when it ends, and Python when it warns": (
        (
            "[run] up\n/srv/app.js:1\nthrow new Error('a')\n^\n\nError: a\n    at main (/srv/app.js:1:7)\n\nNode.js v20.20.2\n"
            "/srv/app.py:18: ShopWarning: \nIt is old, and\nwe use another.\n\nSee also\nthat\n\n  import shop\n[run] over\n"
        ),
        [(None, None, 1), (None, "error", 8), (None, "warn", 8), (None, None, 1)],
    ),
    "a time below the line with the level": (
        (
            "WARN  the queue of shop 3 is slow [2026-03-20 22:11:12]\n"
            * 3
            + "INFO  report:\n  3 shards [2026-03-20 22:11:12]\nINFO  no time\n"
            "ERROR failed to open file data.bin: gone [2026-03-21 09:12:13]\njava.io.IOException: x\n\tat a.B.c(B.java:1)\n"
        ),
        [*[FIRST] * 3, (_EARLY, "info", 2), (_EARLY, "info", 1), (SECOND[0], "error", 3)],
    ),
    "a level joined to a time behind the message": (
        "the queue of shop 3 is slow <WARN@2026-03-20 22:11:12>\nup <INFO@2026-03-20 22:11:12>\nfailed to open file data.bin: gone <ERROR@2026-03-21 09:12:13>\n",
        [FIRST, (_EARLY, "info", 1), SECOND],
    ),
    "a letter behind a name and a count": (
        "py: 423 W slow [a.py:1]\npy: 424 D found x [b.py:9]\nROOT: 1376 I up [a.py:2]\npy: 1377 E gone [a.py:3]\nTraceback (most recent call last):\nKeyError: 1\n",
        [(None, "warn", 1), (None, "debug", 1), (None, "info", 1), (None, "error", 3)],
    ),
    "a frame whose lines have headers": (
        "warn:  ▪ slow\ninfo:  ┏ up\ninfo:  ┃ [1] a\ninfo:  ┗ [2] b\ninfo:  ▪ up\nerror: ▪ gone\n",
        [(None, "warn", 1), (None, "info", 3), (None, "info", 1), (None, "error", 1)],
    ),
    "a stack whose lines have headers": (
        (
            "npm info up\nnpm ERR! Error: gone\nnpm ERR!     at new Shop (/a/b.js:1:2)\nnpm ERR!     at node:internal/main:23:47\nnpm ERR! look at it (v1.2)\n"
            "npm info look at it (v1.2)\nnpm info  at 22:11:12\n"
        ),
        [
            (None, "info", 1),
            (None, "error", 3),
            (None, "error", 1),
            (None, "info", 1),
            (None, "info", 1),
        ],
    ),
    "calls of .NET and Java behind a level": (
        "[INFO] up\n[ERROR] gone\n[ERROR]    at Shop.Run(Int32 n) in /src/a.cs:line 4\n[ERROR]   at a.b.C$1.run(C.java:3)\n[WARN] slow\n[WARN] at a (b)\n",
        [(None, "info", 1), (None, "error", 3), (None, "warn", 1), (None, "warn", 1)],
    ),
    "objects without a level, one with a trace": (
        (
            '{"time": "2026-03-20T22:11:12Z", "message": "up", "stack": ""}\n{"time": "2026-03-20T22:11:12Z", "message": "up", "exception": "KeyError"}\n'
            '{"time": "2026-03-21T09:12:13Z", "reason": "gone", "traceback": "Traceback:\\n  File \\"a.py\\"\\nKeyError: 1"}\n'
        ),
        [(_EARLY, None, 1), (_EARLY, None, 1), SECOND],
    ),
    "bars between columns, drawn as a frame is": (
        " WARN ┃ 2026-03-20 22:11:12 ┃ slow\n INFO ┃ 2026-03-20 22:11:12 ┃ up\n INFO ┃ 2026-03-20 22:11:12 ┃ up\nERROR ┃ 2026-03-21 09:12:13 ┃ gone\n",
        [FIRST, (_EARLY, "info", 1), (_EARLY, "info", 1), SECOND],
    ),
    "a day before a year of two digits, among pairs": (
        "when='20-03-26 10:11:12 PM' level='warning' event='slow'\nwhen='21-03-26 09:12:13 AM' level='error' event='gone'\n",
        [FIRST, SECOND],
    ),
    "pairs before logr's": (
        (
            'shop "ts"="2026-03-20 22:11:12" "caller"={"file"="a.go" "line"=5} "level"=1 "msg"="x"\n'
            'shop "ts"="2026-03-21 09:12:13" "caller"={"file"="a.go" "line"=6} "msg"="gone" "error"="no file"\n'
        ),
        [(_EARLY, "debug", 1), SECOND],
    ),
    "an alert in three letters": (
        "[0:cam] [NTC] [ALL] up\n[0:cam] [WRN] [VID] slow\n[1:cam] [ALR] [VID] dead\n[0:cam] [INF] [ALL] ERROR 0\n",
        [(None, "info", 1), (None, "warn", 1), (None, "fatal", 1), (None, "info", 1)],
    ),
}


@pytest.mark.parametrize(("text", "expected"), RIGHT.values(), ids=RIGHT)
def test_unusual_layouts(tmp_path: Path, text: str, expected: list[tuple[str | None, str | None, int]]) -> None:
    """Records, times and levels are those that a careful reader sees."""
    assert seen(parsed(tmp_path, text)) == expected


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("time=2026-03-20T22:11:12Z level=info msg=slow for 3 s id=7", "slow for 3 s"),
        ("time=2026-03-20T22:11:12Z level=info msg=slow id=7 and so on", "slow"),
        ('time=2026-03-20T22:11:12Z level=info msg="a b" by=me too', "a b"),
        ("time=2026-03-20T22:11:12Z level=info again msg=slow", "slow"),
    ],
)
def test_a_message_without_quotes_ends_before_the_next_pair(tmp_path: Path, line: str, message: str) -> None:
    """Words behind another value are not the message's, and the time and level are read whatever stands behind them."""
    (row,) = parsed(tmp_path, line + "\n")
    assert (row["ts"], row["level"], row["body"]) == ("2026-03-20T22:11:12.000000+00:00", "info", message)


def test_the_cause_before_the_stack_belongs_to_the_record(tmp_path: Path) -> None:
    """Dagster writes its own exception, then the one that was raised, then the stack; what a program dies of behind a stack is its own."""
    head = "2026-12-02 23:36:00 +0000 - dagster - {} - job - {}\n"
    failed = [
        "shop.errors.StepExecutionError: Error occurred while executing op:",
        "",
        "ValueError: broken asset",
        "",
        "Stack Trace:",
        '  File "/srv/steps.py", line 57, in boundary',
        "    yield",
    ]
    text = "".join(head.format("DEBUG", f"step {n}") for n in range(6))
    text += head.format("ERROR", "STEP_FAILURE") + "".join(f"{line}\n" for line in failed)
    rows = parsed(tmp_path, f"{text}ValueError: not handled\n{head.format('DEBUG', 'end')}")
    assert [row["lines"] for row in rows][-3:] == [len(failed) + 1, 1, 1]
