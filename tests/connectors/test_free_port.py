"""Free ports."""

from __future__ import annotations

import socket

from connectors.free_port import LOOPBACK, free_port, is_free


def test_a_free_port_can_be_listened_on_and_then_is_not_free() -> None:
    port = free_port()
    assert is_free(port)
    with socket.create_server((LOOPBACK, port)):
        assert not is_free(port)
    assert port < 32_768, "the system may hand out the others to outgoing connections"
