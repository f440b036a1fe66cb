"""Which addresses the firewall must let through for the station."""

from __future__ import annotations

import socket
from typing import List

from client_agent.errors import AgentError, problem

STATION_UNRESOLVED = problem(
    "station_unresolved",
    "服务器名称 {host} 无法解析成地址，防火墙无法只放行它。请改用 IP 地址，或写入 hosts 文件。",
    "The station's name {host} has no address: the firewall cannot let it through. Use its IP, or the hosts file.",
)


def addresses_of(host: str) -> List[str]:
    """Give the addresses of a host, sorted, without a zone; refuses an unknown name (`station_unresolved`)."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise AgentError(STATION_UNRESOLVED, host=host) from None
    return sorted({str(one[4][0]).partition("%")[0] for one in found})
