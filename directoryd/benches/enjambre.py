"""The directory for a harness that measures directories side by side: a class with name, ops, start(node), load(node), wrk(op).

ENJAMBRE_BIN is the folder of the programs (target/release). They and what fills the directory are built by

    cargo build --release -p directoryd && cargo bench -p directoryd --no-run

Authenticated (100 tokens), durable, without a limit per session.
"""
import glob
import os

import benchlib as b
from directory import Directory

HERE = os.path.dirname(os.path.abspath(__file__))
BIN = os.environ.get("ENJAMBRE_BIN", os.path.join(HERE, "..", "..", "target", "release"))


class Enjambre(Directory):
    name, port, ops = "enjambre", 4011, ["heartbeat", "list", "holders"]
    script = os.path.join(HERE, "enjambre.lua")

    def database(self):
        return f"sqlite:{self.work}/directory.db"

    def start(self, node):
        node.spawn([os.path.join(BIN, "directoryd"), "--listen", f"127.0.0.1:{self.port}", "--database-url",
                    self.database(), "--admin-listen", "off", "--max-requests", "off", "--lease", "1h", "--heartbeat",
                    "1m", "--log-level", "warn"])
        b.wait_until(lambda: node.http(f"http://127.0.0.1:{self.port}/readyz"), 20, what=self.name)

    def load(self, node):
        """Every peer registers and announces what it holds, over REST; ids and tokens go into a file for wrk."""
        programs = [p for p in glob.glob(os.path.join(BIN, "deps", "directory-*")) if os.access(p, os.X_OK)]
        out, c = os.path.join(self.work, "loaded"), self.cfg
        loader = b.Proc([max(programs, key=os.path.getmtime), "load", f"127.0.0.1:{self.port}", self.database(),
                         str(c.files), str(c.peers), str(c.holders), out], ns=node.ns, log=node.path("load.txt"))
        if loader.wait(900) != 0:
            with open(node.path("load.txt")) as f:
                raise RuntimeError(f.read()[-500:])
        os.environ["ENJAMBRE_LOADED"] = out
