"""Ports for servers on this machine's loopback address."""

from __future__ import annotations

import secrets
import socket

LOOPBACK = "127.0.0.1"
_BELOW_EPHEMERAL = range(20_000, 32_768)
_TRIES = 100


def free_port() -> int:
    """A port nobody listens on, below the range the system hands to outgoing connections.

    A port from that range could be taken by anyone's connection while its server is down; even by a client of
    ours that, trying to reach the server, connects to itself.

    Raises:
        OSError: No free port was found.
    """
    for _ in range(_TRIES):
        port = _BELOW_EPHEMERAL.start + secrets.randbelow(len(_BELOW_EPHEMERAL))
        if is_free(port):
            return port
    raise OSError(f"no free port found between {_BELOW_EPHEMERAL[0]} and {_BELOW_EPHEMERAL[-1]}")


def is_free(port: int) -> bool:
    """Whether a server could listen on this loopback port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True
