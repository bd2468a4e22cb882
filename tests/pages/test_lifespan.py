"""What the dashboard's process does once at its beginning."""

import socket

from pages._lifespan import send_at_once


def test_connections_of_a_socket_that_was_handed_over_do_not_wait() -> None:
    """A connection that a listening socket accepts sends small messages at once, whoever bound that socket."""
    with socket.socket(socket.AF_INET) as listening:  # as Streamlit makes it: without the protocol's number
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        send_at_once()
        with socket.create_connection(listening.getsockname(), timeout=5):
            accepted, _ = listening.accept()
            with accepted:
                assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0
        assert listening.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) == 1
