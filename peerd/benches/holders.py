"""One leecher and several holders, some of them odd: classes for a harness that times transfers over shaped links.

    ENJAMBRE_BIN=target/release PYTHONPATH=peerd/benches:. \
        transfer.py --net swarm -n 5 --rate 50mbit --size 64M holders:Alike holders:Slow holders:Silent holders:Killed

Of n + 1 machines the last fetches; the others hold the file, and each sends RATE at most.
"""
import os
import signal
import threading

from adapters.enjambre import Enjambre

RATE = "1280KiB/s"


class Alike(Enjambre):
    """All holders send as fast as they may."""

    name = "alike"
    slow = ()

    def peer(self, node):
        rate = "1KiB/s" if node.index in self.slow else RATE
        self.peer_flags = ("--max-upload", rate)
        super().peer(node)

    def start_leecher(self, node):
        """Every machine holds the file until the next one starts: only the last does not."""
        if last := getattr(self, "last", None):
            self.ask(last, "upload", self.src)
        self.last = node
        super().start_leecher(node)

    def begin(self, node):
        if node is self.last:
            super().begin(node)
            threading.Timer(2, self.after_two_seconds).start()

    def done(self, node):
        return node is not self.last or super().done(node)

    def output(self, node):
        return super().output(node) if node is self.last else self.src

    def start_seed(self, node):
        self.seed = node
        super().start_seed(node)

    def after_two_seconds(self):
        """Nothing goes wrong."""


class Slow(Alike):
    """One sends 1 KiB/s."""

    name = "one slow"
    slow = (1,)


class Silent(Alike):
    """The first holder answers no more after two seconds."""

    name = "one silent"

    def after_two_seconds(self):
        os.kill(self.seed.procs[-1].pid, signal.SIGSTOP)


class Killed(Alike):
    """The first holder is killed after two seconds."""

    name = "one killed"

    def after_two_seconds(self):
        os.kill(self.seed.procs[-1].pid, signal.SIGKILL)
