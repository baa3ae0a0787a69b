"""What needs the socket itself, which ASGI does not give: the reset of a connection."""

from __future__ import annotations

import socket
import struct

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_LINGER_NOT = struct.pack("ii", 1, 0)
"""With a linger time of 0 a close discards what is unsent and resets the connection."""


class Protocol(HttpToolsProtocol):
    """uvicorn's protocol, which lets an application reset the connection: `scope["reset"]()`."""

    def on_message_begin(self) -> None:
        """Begin a request."""
        super().on_message_begin()
        self.scope["reset"] = self._reset  # type: ignore[typeddict-unknown-key]  # the one thing ASGI lacks

    def _reset(self) -> None:
        connection = self.transport.get_extra_info("socket")
        if connection is not None and not self.transport.is_closing():
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
        self.transport.abort()
