"""Notifications and what goes wrong with those that take them: commands and addresses that hang, flood, or are none."""

import json
import os
import queue
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from monitor.config.alerts import shown_address
from monitor.config.sections import AlertSettings
from monitor.config.settings import Settings, SettingsError, load_settings
from monitor.health.notify import SENT, Notifier, NotSent

TOLD = {"message": "box: disk full", "state": "test", "host": "box"}


def notifier(**settings: Any) -> Notifier:
    """One with these settings and short deadlines."""
    found = AlertSettings(**settings)
    return Notifier(lambda: found, lambda: dict(os.environ), pauses=(0, 0, 0), address_s=2, command_s=2)


@contextmanager
def answering(answer: Callable[[socket.socket, threading.Event], object]) -> Iterator[str]:
    """A server that answers each request in its own way, until the end; its address."""
    ended = threading.Event()

    def serve() -> None:
        while not ended.is_set():
            try:
                connection, _ = server.accept()
            except OSError:
                return
            with connection:
                try:
                    connection.recv(65_536)
                    answer(connection, ended)
                except OSError:
                    continue

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}/secret-path"
        finally:
            ended.set()
            server.shutdown(socket.SHUT_RDWR)
            thread.join()


def _drip(connection: socket.socket, ended: threading.Event) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nx-slow: ")
    while not ended.wait(0.2):
        connection.sendall(b"a")


def _go_on(connection: socket.socket, ended: threading.Event) -> None:
    while not ended.is_set():
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000)


def _nothing(_: socket.socket, ended: threading.Event) -> None:
    ended.wait(30)


@pytest.mark.parametrize("answer", [_drip, _go_on, _nothing])
def test_an_address_has_its_time_and_no_more(answer: Any) -> None:
    """However it uses it: drops of an answer, answers that are none, or silence."""
    with answering(answer) as address, pytest.raises(NotSent, match="did not answer within 2 s") as said:
        notifier(webhook=address).deliver(TOLD)
    assert "secret-path" not in said.value.message


def test_an_address_that_answers_more_than_anybody_reads_has_taken_it() -> None:
    """Its answer is not read."""

    def much(connection: socket.socket, ended: threading.Event) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
        while not ended.is_set():
            connection.sendall(b"a" * 65_536)

    with answering(much) as address:
        notifier(webhook=address).deliver(TOLD)


def test_an_address_elsewhere_is_not_followed() -> None:
    """Who answers for an address does not choose where alerts go."""
    asked = queue.Queue[bytes]()

    def other(_: socket.socket, __: threading.Event) -> None:
        asked.put(b"asked")

    with answering(other) as target:

        def redirect(connection: socket.socket, _: threading.Event) -> None:
            connection.sendall(f"HTTP/1.1 307 Moved\r\nLocation: {target}\r\nContent-Length: 0\r\n\r\n".encode())

        with answering(redirect) as address, pytest.raises(NotSent, match="answered 307"):
            notifier(webhook=address).deliver(TOLD)
    assert asked.empty()


@pytest.mark.parametrize("how", ["", "setsid "])
def test_a_command_that_leaves_something_in_the_background_has_ended(how: str) -> None:
    """What it left still holds its standard error."""
    notifier(command=["sh", "-c", f"{how}sleep 8 & exit 0"]).deliver(TOLD)


def test_a_command_that_floods_is_ended_and_its_last_words_are_told() -> None:
    """Only they are kept."""
    with pytest.raises(NotSent, match="did not end within 2 s"):
        notifier(command=["sh", "-c", "trap '' TERM; while :; do head -c 65536 /dev/zero >&2; done"]).deliver(TOLD)
    flood = "head -c 3000000 /dev/zero | tr '\\0' 'x' >&2; echo >&2; echo no such channel >&2; exit 3"
    with pytest.raises(NotSent, match="sh ended with 3: no such channel"):
        notifier(command=["sh", "-c", flood]).deliver(TOLD)


@pytest.mark.parametrize("odd", ["a\0b", "a\ud800b", "$(exit 9) `exit 9` ; exit 9 <b>", "x" * 100_000])
def test_any_message_reaches_a_command(odd: str, tmp_path: Path) -> None:
    """No character of it is a reason to say nothing, and none is run."""
    out = tmp_path / "out"
    told = {**TOLD, "message": odd, "alert": {"records": [odd] * 3}}
    notifier(command=["sh", "-c", f'cat > {out}; [ -n "$WATCHKEEPER_ALERT" ]']).deliver(told)
    assert json.loads(out.read_text()) == told


def test_a_file_that_is_none_holds_no_address(tmp_path: Path) -> None:
    """A pipe would be waited for, a device never ends, and a name may be impossible."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "long").write_text("http://127.0.0.1/" + "x" * 10_000)
    for where in (tmp_path / "pipe", "/dev/zero", tmp_path, tmp_path / "none", "~nobody-of-this-name/x", tmp_path / "long"):  # fmt: skip
        with pytest.raises(NotSent, match="cannot be read"):
            notifier(webhook=f"file:{where}").deliver(TOLD)


def test_each_place_gets_a_notification_once(tmp_path: Path) -> None:
    """One that does not take it costs the other nothing: neither the message nor a second one."""
    out, outcomes = tmp_path / "out", queue.Queue[str]()
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    sender = notifier(webhook=f"http://127.0.0.1:{port}/", command=["sh", "-c", f"echo told >> {out}"])
    sender.start()
    sender.send(TOLD, outcomes.put)
    assert "cannot be reached" in outcomes.get(timeout=60)
    assert out.read_text() == "told\n"
    sender.stop()


def test_one_that_fails_does_not_end_the_others(tmp_path: Path) -> None:
    """Such as one that cannot be written down."""
    outcomes = queue.Queue[str]()
    sender = notifier(command=["sh", "-c", "true"])
    sender.start()
    sender.send({**TOLD, "alert": object()}, outcomes.put)
    assert outcomes.get(timeout=60).startswith("it failed")
    sender.send(TOLD, outcomes.put)
    assert outcomes.get(timeout=60) == SENT
    sender.stop()


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://hooks.example/services/s3cret", "https://hooks.example/…"),
        ("https://ann:s3cret@hooks.example:8443/?key=s3cret", "https://hooks.example:8443/…"),
        ("https://hooks.example?key=s3cret", "https://hooks.example/…"),
        ("https://hooks.example#s3cret", "https://hooks.example/…"),
        ("http://127.0.0.1:8000/", "http://127.0.0.1:8000"),
        ("env:HOOK", "env:HOOK"),
        ("", ""),
    ],
)
def test_an_address_is_shown_without_its_secret(address: str, shown: str, tmp_path: Path) -> None:
    """By the settings, too; what is shown cannot be saved in its place."""
    assert shown_address(address) == shown
    settings = load_settings(tmp_path / "s.toml", None, {}).save({"alerts.webhook": address})
    assert _webhook(settings) == shown
    if "…" in shown:
        with pytest.raises(SettingsError, match="give all of it"):
            settings.save({"alerts.webhook": shown})
    assert settings.alerts.webhook == address


@pytest.mark.parametrize("wrong", ["htp://h/s3cret", "http://h:99999/s3cret", "http://[::1/s3cret", "s3cret"])
def test_a_wrong_address_is_refused_and_not_repeated(wrong: str) -> None:
    """It may be nearly right."""
    with pytest.raises(SettingsError, match=r"alerts\.webhook.*address") as said:
        load_settings(None, {"alerts.webhook": wrong}, {})
    assert "s3cret" not in said.value.message


def _webhook(settings: Settings) -> Any:
    return next(row["value"] for row in settings.describe() if row["key"] == "alerts.webhook")


def test_what_waits_is_sent_before_the_end(tmp_path: Path) -> None:
    """Once more each, also behind one that nobody takes; the end waits for no longer than it says."""
    taken = tmp_path / "taken"
    settings = AlertSettings(
        command=["sh", "-c", f'case "$WATCHKEEPER_ALERT" in *bad*) exit 1;; esac; echo "$WATCHKEEPER_ALERT" >> {taken}']
    )
    sender, said = Notifier(lambda: settings, lambda: dict(os.environ), pauses=(0.0, 600.0)), dict[str, str]()
    for name in ("one", "bad", "two"):
        sender.send({"message": name}, lambda what, name=name: said.__setitem__(name, what))
    sender.start()
    sender.stop(30.0)
    assert taken.read_text() == "one\ntwo\n"
    assert said == {"one": "sent", "two": "sent"}
