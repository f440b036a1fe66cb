"""Real agents without a screen, as a process of their own: `python -m tests.web.sixty_agents FOLDER ADDRESS SEAT…`.

Prints a line `ready` when all are heard, then what it has used of CPU (seconds) and memory (bytes) for each line on
standard input, and ends with its end.
"""

from __future__ import annotations

import json
import sys
import threading
from pathlib import Path

import psutil

from client_agent.agent_run import Agent, Parts
from client_agent.machine import Identity
from tests.agent.desk import Desk, until


class Bare(Desk):
    """A PC without browser and screen."""

    number = 0

    def identity(self) -> Identity:
        mac = f"00:1b:21:00:00:{self.number:02x}"
        return Identity(f"machine-{self.number:04d}", f"PC-{self.number}", [mac], "Linux", "", "", "cpu", 8 << 30)


def main(folder: Path, address: str, seats: list[str]) -> None:
    ending = threading.Event()
    running = []
    agents = []
    for number, seat in enumerate(seats, start=1):
        desk = Bare(folder / str(number))
        desk.number, desk.browsers = number, []
        agent = Agent(desk, desk.store, Parts(desk.lockdown), say=lambda _zh, _en: None, address=address)
        running.append(threading.Thread(target=agent.run, args=(ending,)))
        running[-1].start()
        agents.append((agent, seat))
    for agent, seat in agents:
        until(lambda agent=agent: agent.heartbeat.is_registered, 120)
        if seat and agent.heartbeat.seat is None:
            agent.heartbeat.register(seat, "")
    until(lambda: all(agent.heartbeat.orders for agent, _seat in agents), 120)
    print("ready", flush=True)
    me = psutil.Process()
    for _line in sys.stdin:
        times = me.cpu_times()
        print(json.dumps({"cpu_s": times.user + times.system, "memory": me.memory_info().rss}), flush=True)
    ending.set()
    for thread in running:
        thread.join()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3:])
