"""Layouts of logs that are on no list, from the programs that write them."""

from pathlib import Path

import pytest

from tests.doubles.written_log import parsed
from tests.unit.logs.test_logs_reader import FIRST, SECOND, seen

pytestmark = pytest.mark.usefixtures("utc")


UNSEEN = {
    "blanks before the time's bracket that fill a column": (
        "INFO   [2026-03-20 22:11:12] up\nDEBUG  [2026-03-20 22:11:12] x\nWARNING[2026-03-20 22:11:12] slow\n",
        [("03-20T22:11:12", level, 1) for level in ("info", "debug", "warn")],
    ),
    "names of functions, and code without one": (
        (
            "main():9: [INFO] 2026-03-20 22:11:12,345 up\n<module>():15: [WARNING] 2026-03-20 22:11:12,345 slow\n"
            "<lambda>():15: [ERROR] 2026-03-21 09:12:13,345 gone\n"
        ),
        [("03-20T22:11:12", "info", 1), FIRST, SECOND],
    ),
    "day and clock in twelve figures": (
        "260320-221112|W|app|slow\n260321-091213|E|app|gone\n",
        [FIRST, SECOND],
    ),
    "seconds since the start, and a level behind names": (
        (
            "     0.000 shop(77) app.net info: up\n     0.031 shop(77) app.net debug: x\n     0.061 shop(77) app.net warning: slow\n"
            "     0.250 shop(77) app.net info: report:\n  3 shards\n     0.280 shop(77) app.net critical: dead\n"
        ),
        [("03-21T10:14:59", level, lines) for level, lines in (("info", 1), ("debug", 1), ("warn", 1), ("info", 2))]
        + [("03-21T10:15:00", "fatal", 1)],
    ),
    "the program's name before each line, and a level behind it in some": (
        "web: debug:  x\nweb: error: gone\nweb: debug:  web: forked\nweb: error: gone\nweb: web version 22 up\nweb: _main: up\nweb: a/b: up\nweb: error: gone\n",
        [(None, level, 1) for level in ("debug", "error", "debug", "error", None, None, None, "error")],
    ),
    "another letter or word where others have their level in brackets": (
        (
            "<X>2026-03-20 22:11:12.345 up\n<W>2026-03-20 22:11:12.345 slow\n<C>2026-03-20 22:11:12.345 dead\n"
            "<W>2026-03-21 09:12:13.345 slow\n"
        ),
        [("03-20T22:11:12", level, 1) for level in (None, "warn", "fatal")] + [("03-21T09:12:13", "warn", 1)],
    ),
    "GLib": (
        (
            "(shop:77): Gtk-WARNING **: 22:11:12.345: slow\n\n** (shop:77): CRITICAL **: 22:11:12.345: dead\nShop-Message: 22:11:12.345: up\n"
            "** Message: 22:11:12.345: up\n(shop:77): Shop-DEBUG: 22:11:12.345: report:\n  3 shards\n"
        ),
        [
            ("03-20T22:11:12", level, lines)
            for level, lines in (("warn", 1), ("fatal", 1), ("info", 1), ("info", 1), ("debug", 2))
        ],
    ),
    "GLib before it wrote times": (
        "(shop:77): Gtk-WARNING **: slow\n\n(shop:77): GLib-GObject-CRITICAL **: g_object_unref: assertion failed\n",
        [(None, "warn", 1), (None, "fatal", 1)],
    ),
    "levels that end in one column": (
        " INFO app: up\nDEBUG app: x\n WARN app: slow\nERROR app: gone\n\nCaused by:\n    0: no file\n INFO app: done\n",
        [(None, "info", 1), (None, "debug", 1), (None, "warn", 1), (None, "error", 4), (None, "info", 1)],
    ),
    "a bracket right behind a word": (
        "2026-03-20 22:11:12,345 - util.py[WARNING]: slow\n2026-03-21 09:12:13,345 - main.py[ERROR]: gone\n",
        [FIRST, SECOND],
    ),
    "a level behind many fields": (
        (
            "2026-03-20 22:11:12 UTC [77]: [1-1] user=a,db=b,app=c,client=1.2.3.4 WARNING:  slow\n"
            "2026-03-21 09:12:13 UTC [77]: [1-2] user=a,db=b,app=c,client=1.2.3.4 ERROR:  gone\n"
        ),
        [FIRST, SECOND],
    ),
    "a letter before a colon": (
        "2026-03-20 22:11:12.345678 [W:onnxruntime:, graph.cc:12 Run] slow\n2026-03-21 09:12:13.345678 [E:onnxruntime:, graph.cc:9 Run] gone\n",
        [FIRST, SECOND],
    ),
    "dots and a colon in the clock": (
        "[2026.03.20-22.11.12:345][  0]LogInit: Warning: slow\n[2026.03.21-09.12.13:345][  1]LogInit: Error: gone\n",
        [FIRST, SECOND],
    ),
    "a level at the end of a record": (
        "2026-03-20 22:11:12 careful:\n  ERROR is not its level [WARNING]\n2026-03-21 09:12:13 gone [ERROR]\n2026-03-21 09:12:13 gone [ERROR]\n",
        [("03-20T22:11:12", "warn", 2), SECOND, SECOND],
    ),
    "a level in brackets in the second line": (
        "\n2026/03/20 22:11:12 /srv/web.go:1\n[warn] slow\n\n2026/03/21 09:12:13 /srv/web.go:2\n[error] gone\n",
        [("03-20T22:11:12", "warn", 3), ("03-21T09:12:13", "error", 3)],
    ),
    "a level with a number": (
        "20-Mar-2026 22:11:12.345 general: warning: slow\n21-Mar-2026 09:12:13.345 general: error: gone\n21-Mar-2026 09:12:13.345 general: debug 1: x\n",
        [FIRST, SECOND, ("03-21T09:12:13", "debug", 1)],
    ),
    "levels between those with names": (
        "time=2026-03-20T22:11:12.345Z level=INFO+4 msg=slow\ntime=2026-03-21T09:12:13.345Z level=ERROR+2 msg=gone\ntime=2026-03-21T09:12:13.345Z level=ERROR+4 msg=dead\n",
        [FIRST, SECOND, ("03-21T09:12:13", "fatal", 1)],
    ),
    "a banner without headers": (
        "Server 1.0\nread the manual\nand the licence\n" * 4
        + "2026-03-20 22:11:12 WARN slow\nhost: a\n2026-03-21 09:12:13 ERROR gone\n",
        [(None, None, 1)] * 12 + [("03-20T22:11:12", "warn", 2), SECOND],
    ),
    "a panic that was caught": (
        (
            "2026/03/20 22:11:12 [Recovery] slow, not panicked\n\n\n\x1b[31m2026/03/21 09:12:13 [Recovery] panic recovered:\nGET / HTTP/1.1\r\nHost: a\r\n\r\n\n"
            "giving up\n/srv/web.go:89 (0x112)\n\tmain: panic()\n\x1b[0m\n"
        ),
        [("03-20T22:11:12", None, 1), ("03-21T09:12:13", "error", 11)],
    ),
    "what a program wrote when it ended, between headers": (
        (
            "2026-03-20 22:11:12 WARN slow\n"
            * 9
            + "Execution error (Gone) at a:1.\nWrong number of args\n\nFull report at:\n/tmp/a.edn\n"
            f"2026-03-21 09:12:13 ERROR gone\n{'=' * 60}\ntrain.py FAILED\nRoot Cause:\n[0]:\n  rank : 0\n{'=' * 60}\n2026-03-21 09:12:13 ERROR gone\n"
        ),
        [*[FIRST] * 9, ("03-20T22:11:12", "error", 5), SECOND, ("03-21T09:12:13", "error", 6), SECOND],
    ),
    "pairs with commas between them": (
        "time=2026-03-20 22:11:12, level=WARN, msg=slow, pool=4\ntime=2026-03-21 09:12:13, level=ERROR, msg=gone, pool=4\n",
        [FIRST, SECOND],
    ),
    "pairs in quotes with commas between them": (
        'level=WARN, time=2026-03-20T22:11:12Z, msg="slow", tags=a,b\nlevel=ERROR, time=2026-03-21T09:12:13Z, msg="gone"\n',
        [FIRST, SECOND],
    ),
    "a facility of syslog before the level": (
        "Fri Mar 20 22:11:12 2026 daemon.warn app[77]: slow\nFri Mar 20 22:11:12 2026 kern.warn kernel: [   12.5] slow\nSat Mar 21 09:12:13 2026 daemon.err app[77]: gone\n",
        [FIRST, FIRST, SECOND],
    ),
    "a number of a verbosity in the level's column": (
        "".join(
            f"2026-03-{at} (   0.0{n}s) [main thread     ]             a.cpp:{n}    {level:>4}| {text}\n"
            for n, (at, level, text) in enumerate(
                [("20 22:11:12", "WARN", "slow")] * 6 + [("20 22:11:12", "1", "x"), ("21 09:12:13", "ERR", "gone")]
            )
        ),
        [*[FIRST] * 6, ("03-20T22:11:12", "debug", 1), SECOND],
    ),
    "wide brackets": (
        "【2026-03-20 22:11:12】【WARN】slow\n【2026-03-20 22:11:12】【WARN】slow\n【2026-03-21 09:12:13】【ERROR】gone\n",
        [FIRST, FIRST, SECOND],
    ),
    "wide brackets around the level": (
        "2026-03-20 22:11:12 - 「警告」 - slow\n2026-03-20 22:11:12 - 「警告」 - slow\n2026-03-21 09:12:13 - 「错误」 - gone\n",
        [FIRST, FIRST, SECOND],
    ),
    "errors within an error, deeper than the headers": (
        "[2026-03-20 22:11:12] [WARN] slow\n"
        * 6
        + "[2026-03-21 09:12:13] [ERROR] gone\nAggregateError: all\n    at main (/a.js:4:3) {\n  [errors]: [\n    Error: a\n        at f (/a.js:1:1),\n"
        "    Error: b\n        at g (/a.js:2:1)\n    Error: c\n        at g (/a.js:2:1)\n  ]\n}\n",
        [*[FIRST] * 6, ("03-21T09:12:13", "error", 12)],
    ),
    "results of tests": (
        "TAP version 13\nok 1 starts\nnot ok 2 opens\n  Error: gone\n    at a.js:1:2\nok 3 ends # SKIP\n",
        [(None, None, 1), (None, "info", 1), (None, "error", 3), (None, "info", 1)],
    ),
    "what apt did": (
        "\nLog started: 2026-03-20  22:11:12\nUnpacking nginx (1.22) ...\nLog ended: 2026-03-20  22:11:13\n\nLog started: 2026-03-21  09:12:13\nRemoving nginx\nLog ended: 2026-03-21  09:12:14\n",
        [("03-20T22:11:12", None, 4), ("03-21T09:12:13", None, 4)],
    ),
    "a heading of columns in any order": (
        "#Fields: date time cs-method cs-uri sc-status\n#Version: 2.0\n#Software: Tomcat\n2026-03-20 22:11:12 GET /a 404\n2026-03-21 09:12:13 GET /b 500\n",
        [(None, None, 3), FIRST, SECOND],
    ),
    "elements of XML": (
        (
            "<log>\n<record>\n  <date>2026-03-20T22:11:12.345Z</date>\n  <level>WARNING</level>\n  <message>slow:\n ERROR &lt;1&gt;</message>\n</record>\n"
            "<record>\n  <millis>1774084333000</millis>\n  <level>SEVERE</level>\n  <message>gone</message>\n</record>\n</log>\n"
        ),
        [(None, None, 1), ("03-20T22:11:12", "warn", 6), ("03-21T09:12:13", "error", 5), ("03-21T09:12:13", None, 1)],
    ),
    "elements with attributes": (
        (
            '<log4j:event logger="a" timestamp="1774044672345" level="WARN" thread="main">\n<log4j:message><![CDATA[slow <1>]]></log4j:message>\n</log4j:event>\n\n'
            '<Event timeMillis="1774084333000" level="ERROR" loggerName="a"><Message>gone</Message></Event>\n'
        ),
        [("03-20T22:11:12", "warn", 3), SECOND],
    ),
    "rows of a table": (
        (
            '<table>\n<tr>\n<th>Time</th>\n</tr>\n<tr class="warn even">\n<td class="Date">2026-03-20 22:11:12,345</td>\n<td class="Level">WARN</td>\n'
            '<td class="Message">slow</td>\n</tr>\n<tr><td colspan="6">at a.B.c(B.java:1)</td></tr>\n</table>\n'
        ),
        [(None, None, 1), (None, None, 3), ("03-20T22:11:12", "warn", 6), ("03-20T22:11:12", None, 1)],
    ),
    "PHP": (
        (
            "[20-Mar-2026 22:11:12 UTC] PHP Warning:  slow in /x.php on line 3\n[21-Mar-2026 09:12:13 UTC] PHP Parse error:  gone in /x.php on line 5\n"
            "[21-Mar-2026 09:12:13 UTC] PHP Fatal error:  Uncaught Exception: dead in /x.php:5\nStack trace:\n#0 {main}\n  thrown in /x.php on line 5\n"
        ),
        [FIRST, SECOND, ("03-21T09:12:13", "fatal", 4)],
    ),
    "a compiler": (
        (
            "main.c:3:9: warning: unused variable 'x'\n    3 |     int x = 1;\n      |         ^\nmain.c:5:3: error: expected ';'\n"
            "error[E0425]: cannot find value `y`\n --> src/main.rs:4:9\n  |\n4 |     foo(y);\n  |         ^ not found\n"
        ),
        [(None, "warn", 3), (None, "error", 1), (None, "error", 5)],
    ),
    "minutes and seconds with a dot": (
        "[20.03.2026 22:11.12.345] [WARN]  slow\n[21.03.2026 09:12.13.345] [ERROR] gone\n",
        [FIRST, SECOND],
    ),
    "severities of systemd": (
        "<4>slow\n<3>gone\n<6>done\n",
        [(None, "warn", 1), (None, "error", 1), (None, "info", 1)],
    ),
    "an unhandled rejection": (
        "up\nnode:internal/process/promises:288\n            triggerUncaughtException(err);\n            ^\n\n[UnhandledPromiseRejection: gone] {\n  code: 'X'\n}\n\nNode.js v20.1.0\n",
        [(None, None, 1), (None, "error", 9)],
    ),
    "a panic of Go's web server": (
        "2026/03/20 22:11:12 up\n2026/03/21 09:12:13 http: panic serving 127.0.0.1:5: gone\ngoroutine 21 [running]:\nnet/http.(*conn).serve.func1()\n\t/usr/x.go:18 +0xbe\n",
        [("03-20T22:11:12", None, 1), ("03-21T09:12:13", "error", 4)],
    ),
    "a traceback that a calm record announces": (
        (
            "2026-03-20 22:11:12,345:WARNING:app:slow\n2026-03-21 09:12:13,345:DEBUG:app:Exiting abnormally:\nTraceback (most recent call last):\n"
            '  File "x.py", line 3, in f\n    g()\napp.errors.Error: gone\n2026-03-21 09:12:13,345:ERROR:app:gone\n'
        ),
        [FIRST, ("03-21T09:12:13", "debug", 5), SECOND],
    ),
    "a level behind host and program": (
        (
            "Mar 20 22:11:12.345 [77] vm corosync warning [MAIN  ] slow\nMar 21 09:12:13.345 [77] vm corosync error   [MAIN  ] gone\n"
            "Mar 21 09:12:13.345 [77] vm corosync notice  [MAIN  ] 0 error so far\n"
        ),
        [FIRST, SECOND, ("03-21T09:12:13", "info", 1)],
    ),
    "month, day and clock joined by a dash": (
        "03/20-22:11:12.345678  [**] [1:1:1] ping\n03/21-09:12:13.345678  [**] [1:1:1] ping\n",
        [("03-20T22:11:12", None, 1), ("03-21T09:12:13", None, 1)],
    ),
    "a label that a bar ends": (
        "2026/03/20 22:11:11| Starting\n2026/03/20 22:11:12 kid1| WARNING: slow\n    port: 3128\n2026/03/21 09:12:13 kid1| ERROR: gone\n",
        [("03-20T22:11:11", None, 1), ("03-20T22:11:12", "warn", 2), SECOND],
    ),
    "CMake": (
        "-- Configuring done\nCMake Warning at CMakeLists.txt:5 (find_package):\n  slow\n\nCMake Error: gone\n",
        [(None, None, 1), (None, "warn", 2), (None, "error", 1)],
    ),
    "a logger that is spelt like a level": (
        (
            "2026-03-20 22:11:12,345 [app.error] WARNING:  slow\n2026-03-21 09:12:13,345 [app.error] ERROR:    gone\n"
            "2026-03-21 09:12:13,345 [app.error] INFO:     up\n"
        ),
        [FIRST, SECOND, ("03-21T09:12:13", "info", 1)],
    ),
    "a name in front that is spelt like a level": (
        (
            '<log time="2026-03-20 22:11:12" level="WARN">slow</log>\n<log time="2026-03-21 09:12:13" level="ERROR">gone</log>\n'
            '<log time="2026-03-21 09:12:13" level="INFO">up</log>\n'
        ),
        [FIRST, SECOND, ("03-21T09:12:13", "info", 1)],
    ),
    "a process that is spelt like a level": (
        "Mar 20 22:11:12 master: Warning: slow\nMar 21 09:12:13 config: Error: gone\nMar 21 09:12:13 anvil: Info: up\n",
        [FIRST, SECOND, ("03-21T09:12:13", "info", 1)],
    ),
    "the level and the time behind the message": (
        (
            "slow | WARN | 2026-03-20 22:11:12,345\ngone: 0 errors | ERROR | 2026-03-21 09:12:13,345\n"
            "a disk at 99 percent of all that it has, which will be full before the night comes | ERROR | 2026-03-21 09:12:13,345\n"
        ),
        [FIRST, SECOND, SECOND],
    ),
    "the time behind the message, the level behind the host": (
        "vm app[77] WARNING slow 2026-03-20 22:11:12\nvm app[77] ERROR gone 2026-03-21 09:12:13\nvm app[77] INFO up 2026-03-21 09:12:13\n",
        [FIRST, SECOND, ("03-21T09:12:13", "info", 1)],
    ),
    "a line drawn before each record": (
        "------\n2026-03-20T22:11:12 WARNING a slow\n------\n2026-03-21T09:12:13 ERROR a gone\nreally\n------\n2026-03-21T09:12:13 INFO a ---\n",
        [("03-20T22:11:12", "warn", 2), ("03-21T09:12:13", "error", 3), ("03-21T09:12:13", "info", 2)],
    ),
    "a level in the second line, right behind a traceback": (
        (
            "[Fri Mar 20 22:11:12 2026]\nWARNING: slow\n\n[Sat Mar 21 09:12:13 2026]\nERROR: gone\nTraceback (most recent call last):\n"
            '  File "x.py", line 3, in f\nValueError: gone\n[Sat Mar 21 09:12:13 2026]\nINFO: up\n'
        ),
        [("03-20T22:11:12", "warn", 2), ("03-21T09:12:13", "error", 5), ("03-21T09:12:13", "info", 2)],
    ),
    "records that begin deep, and a line that does not": (
        "   - a up\n   - b up\n   - c up\n   - d up\nsecond line\n   - e up\n",
        [(None, None, 1)] * 6,
    ),
    "paths and words that are spelt like levels": (
        (
            '127.0.0.1 - - [20/Mar/2026 22:11:12] code 404, message File not found\n127.0.0.1 - - [20/Mar/2026 22:11:12] "GET /ok HTTP/1.1" 404 -\n'
            '127.0.0.1 - - [21/Mar/2026 09:12:13] code 404, message File not found\n127.0.0.1 - - [21/Mar/2026 09:12:13] "GET /err HTTP/1.1" 404 -\n'
        ),
        [
            ("03-20T22:11:12", None, 1),
            FIRST,
            ("03-21T09:12:13", None, 1),
            ("03-21T09:12:13", "warn", 1),
        ],
    ),
    "requests without their protocol, in another program's log": (
        (
            "2026-03-20 22:11:11,345 INFO     Listening\n"
            '127.0.0.1:5438 - - [20/Mar/2026:22:11:12] "GET /no" 404 1\n2026-03-21 09:12:13,247 ERROR    Exception inside application: gone\n'
            '127.0.0.1:5438 - - [21/Mar/2026:09:12:13] "GET /err" 500 453\n'
        ),
        [("03-20T22:11:11", "info", 1), FIRST, SECOND, SECOND],
    ),
    "requests among lines of another kind": (
        (
            "[20/Mar/2026:22:11:11] ENGINE Bus STARTING\n[20/Mar/2026:22:11:11] ENGINE Serving on http://127.0.0.1:8080\n[20/Mar/2026:22:11:11] ENGINE Bus STARTED\n"
            '127.0.0.1 - - [20/Mar/2026:22:11:12] "GET /no HTTP/1.1" 404 14 "" "curl/7"\n'
        ),
        [("03-20T22:11:11", None, 1)] * 3 + [FIRST],
    ),
    "a traceback behind a request of something else": (
        (
            '127.0.0.1 - - [20/Mar/2026 22:11:12] "GET /no HTTP/1.1" 404 7\nTraceback (most recent call last):\n  File "x.py", line 3, in f\n'
            'ValueError: gone\n127.0.0.1 - - [21/Mar/2026 09:12:13] "GET /x HTTP/1.1" 500 750\n'
        ),
        [FIRST, ("03-20T22:11:12", "error", 3), SECOND],
    ),
    "a German plant": (
        (
            "Fr, 20. März 2026 um 22:11 Uhr\tWARNUNG\t[Pumpe 7]\tslow\nSa, 21. März 2026 um 09:12 Uhr\tSTÖRUNG\t[Pumpe 7]\tgone\n"
            "Sa, 21. März 2026 um 09:12 Uhr\tHINWEIS\t[Pumpe 7]\tup\n"
        ),
        [("03-20T22:11:00", "warn", 1), ("03-21T09:12:00", "error", 1), ("03-21T09:12:00", "info", 1)],
    ),
    "Go's logr": (
        '2026/03/20 22:11:12 "level"=0 "msg"="up, 0 errors"\n2026/03/21 09:12:13 "msg"="gone" "error"="no file"\n2026/03/21 09:12:13 "level"=4 "msg"="x"\n',
        [("03-20T22:11:12", "info", 1), SECOND, ("03-21T09:12:13", "debug", 1)],
    ),
    "letters of WebSphere": (
        (
            "[3/20/26 22:11:12:345 UTC] 0000001a Server        W   slow\n[3/21/26 9:12:13:345 UTC] 0000001a Server        E   gone\n"
            "[3/21/26 9:12:13:345 UTC] 0000001a Server        A   CWWKF0011I: ready\n[3/21/26 9:12:13:345 UTC] 0000001b Server        1   x\n"
        ),
        [FIRST, SECOND, ("03-21T09:12:13", "info", 1), ("03-21T09:12:13", "debug", 1)],
    ),
    "a level for what took long": (
        "2026-03-20T22:11:12.345Z\t slow \tquery took 3 s\n2026-03-21T09:12:13.345Z\t error \tgone\n2026-03-21T09:12:13.345Z\t stat \tCPU 1m\n"
        + "2026-03-21T09:12:13.345Z\t info \tslow\n" * 3,
        [FIRST, SECOND, *[("03-21T09:12:13", "info", 1)] * 4],
    ),
    "the number of the day in the year": (
        "2026-079T22:11:12 WARNING slow\n2026-080T09:12:13 ERROR gone\n2026-080T09:12:13 INFO up\n",
        [FIRST, SECOND, ("03-21T09:12:13", "info", 1)],
    ),
    "a level among the last columns": (
        "20.03.26 22:11:12;disk is full;it is slow;WARNING;app.a\n21.03.26 09:12:13;0 errors; gone;ERROR;app.b\n",
        [FIRST, SECOND],
    ),
    "a level at the end with more in its brackets": (
        "[2026-03-20T22:11:12.345Z] slow (WARN, a.b)\n[2026-03-21T09:12:13.345Z] gone at last, for good, today (ERROR, a.b)\n",
        [FIRST, SECOND],
    ),
    "a small letter behind the time": (
        "20.03.2026 22:11:12 w a.go:3 | slow\n21.03.2026 09:12:13 e a.go:4 | gone\n"
        + "21.03.2026 09:12:13 i a.go:4 | up\n" * 3,
        [FIRST, SECOND, *[("03-21T09:12:13", "info", 1)] * 3],
    ),
    "signs of terminals with few letters": (
        "2026-03-20T22:11:12.345Z ‼ svc slow\n2026-03-21T09:12:13.345Z × svc gone\n2026-03-21T09:12:13.345Z √ svc 3 × 4\n",
        [FIRST, SECOND, ("03-21T09:12:13", "info", 1)],
    ),
    "signs of no level, and a traceback": (
        (
            "2026-03-20 22:11:12 --- up\n2026-03-20 22:11:12 --- up\n2026-03-21 09:12:13 *** gone\nTraceback (most recent call last):\n"
            '  File "a.py", line 1, in f\nValueError: x\n2026-03-21 09:12:13 ### over\n'
        ),
        [*[("03-20T22:11:12", None, 1)] * 2, ("03-21T09:12:13", "error", 4), ("03-21T09:12:13", None, 1)],
    ),
    "objects with the day first": (
        '{"ts": "12-03-2026 22:11:12", "sev": "WARNING", "msg": "slow"}\n{"ts": "13-03-2026 09:12:13", "sev": "ERROR", "msg": "gone"}\n',
        [("03-12T22:11:12", "warn", 1), ("03-13T09:12:13", "error", 1)],
    ),
    "Go's logr behind a name and a place": (
        'app: 2026/03/20 22:11:12 a.go:3: "level"=1 "msg"="x"\napp: 2026/03/21 09:12:13 a.go:4: "msg"="gone" "error"="no file"\n',
        [("03-20T22:11:12", "debug", 1), SECOND],
    ),
    "Go's logr in objects": (
        (
            '{"logger":"","ts":"2026-03-20T22:11:12Z","level":0,"msg":"up"}\n{"logger":"","ts":"2026-03-20T22:11:12Z","level":2,"msg":"x"}\n'
            '{"logger":"","ts":"2026-03-21T09:12:13Z","msg":"gone","error":"no file"}\n'
        ),
        [("03-20T22:11:12", "info", 1), ("03-20T22:11:12", "debug", 1), SECOND],
    ),
    "a priority among pairs": (
        'Mar 20 22:11:12 msg="slow" level="0" prio="Warning" tid="0"\nMar 21 09:12:13 msg="gone" level="0" prio="Error" tid="0"\n',
        [FIRST, SECOND],
    ),
}


@pytest.mark.parametrize(("text", "expected"), UNSEEN.values(), ids=UNSEEN)
def test_layouts_that_are_on_no_list(
    tmp_path: Path, text: str, expected: list[tuple[str | None, str | None, int]]
) -> None:
    """Where records begin and end, when they were written and how grave they are, is told from the file's own lines."""
    assert seen(parsed(tmp_path, text)) == expected


@pytest.mark.parametrize(
    ("line", "logger", "message"),
    [
        ("W, [2026-03-20T22:11:12.345678 #77]  WARN -- app: slow", "app", "slow"),
        ("W, [2026-03-20T22:11:12.345678 #77]  WARN -- : slow: it is", None, "slow: it is"),
        ("2026/03/20 22:11:12 WARN  : slow", None, "slow"),
        ("WARN:2026-03-20 22:11:12:up\nWARN:2026-03-20 22:11:12:0 shards", None, "0 shards"),
        ("WARN:2026-03-20 22:11:12:345 shards", None, "shards"),
    ],
)
def test_no_part_of_a_header_stays_in_the_message(tmp_path: Path, line: str, logger: str | None, message: str) -> None:
    """What stands between the time and the message is neither."""
    *_, row = parsed(tmp_path, line + "\n")
    assert (row["level"], row["logger"], row["body"]) == ("warn", logger, message)


_SAID = (
    ("INFO", "starting 4 workers"),
    ("DEBUG", "pool: 3 idle"),
    ("INFO", "WARNING: only text"),
    ("ERROR", "a - b"),
    ("INFO", "GET /a 200"),
)


@pytest.mark.parametrize("named", ["", "shop", "com.shop.Stock"])
@pytest.mark.parametrize(
    "header",
    [
        "2026-03-20 22:11:12,345 [main] {0} {1}: ",
        "2026-03-20 22:11:12,345 [{0}] {1}: ",
        "[2026-03-20 22:11:12] [{0}] {1}: ",
        "2026-03-20 22:11:12,345:{0}:{1}:",
        "2026-03-20 22:11:12,345 - {0} - {1} - ",
        "2026-03-20 22:11:12,345 {0}: {1}: ",
    ],
)
def test_the_first_word_of_a_message_is_a_logger_only_where_nearly_each_has_one(
    tmp_path: Path, header: str, named: str
) -> None:
    """A colon or a dash behind the first word of some messages makes it none."""
    if not named:
        header = header[: header.index("{1}")]
    text = "".join(header.format(level, named) + f"{message}\n" for level, message in _SAID)
    assert [(row["level"], row["logger"], row["body"]) for row in parsed(tmp_path, text)] == [
        (level.lower(), named or None, message) for level, message in _SAID
    ]


@pytest.mark.parametrize("name", ["com.shop.Stock", "StockKeeper"])
def test_a_class_behind_the_level_is_the_logger(tmp_path: Path, name: str) -> None:
    """Although nothing but a blank closes it."""
    text = "".join(f"2026-03-20 22:11:12,345 [main] INFO {name} {message}\n" for _, message in _SAID)
    assert [(row["logger"], row["body"]) for row in parsed(tmp_path, text)] == [(name, said) for _, said in _SAID]
