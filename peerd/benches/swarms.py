"""One seed and several leechers that do not all begin at once, or whose seed goes and comes back: classes for a harness that
times transfers over shaped links.

    ENJAMBRE_BIN=target/release PYTHONPATH=peerd/benches:. \
        transfer.py --net swarm -n 16 --rate 50mbit --size 64M swarms:OneByOne swarms:SeedRestarted
"""
import os
import signal
import threading
import time

from adapters.enjambre import Enjambre

BETWEEN_SECONDS = 0.05
KILLED_AFTER_SECONDS = 5
AWAY_SECONDS = 1


class OneByOne(Enjambre):
    """Each begins a moment after the one before."""

    name = "one by one"

    def begin(self, node):
        super().begin(node)
        time.sleep(BETWEEN_SECONDS)


class SeedRestarted(Enjambre):
    """The seed is killed in the middle, and started again."""

    name = "seed restarted"
    planned = False

    def start_seed(self, node):
        super().start_seed(node)
        self.seed = node

    def begin(self, node):
        if not self.planned:
            self.planned = True
            threading.Timer(KILLED_AFTER_SECONDS, self.restart_seed).start()
        super().begin(node)

    def restart_seed(self):
        os.kill(self.seed.procs[-1].pid, signal.SIGKILL)
        time.sleep(AWAY_SECONDS)
        self.peer(self.seed)
