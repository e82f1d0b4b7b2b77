#!/usr/bin/env python3
"""How far off the simulator is: predicted beside measured, written into BENCHMARKS.md.

Real swarms run over shaped links in network namespaces (root needed), by the harness in ../shared/bench beside this
repository; the same scenarios are then asked of the simulator, calibrated on this machine. Nothing else may run meanwhile.

    cargo build --release --bins
    peerd/swarm/benches/accuracy.py [--runs 3] [--only 8] [--bench ../shared/bench]

A row is the median of the runs. The goal is 10 % for the last completion.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "../../.."))
BEGIN, END = "<!-- accuracy: begin -->", "<!-- accuracy: end -->"
# Leechers, link in Mbit/s, file in MiB: the corners of what is claimed, and some between.
CASES = [(4, 50, 64), (4, 100, 256), (8, 50, 64), (8, 100, 128), (8, 100, 256), (16, 50, 64), (16, 100, 64), (16, 100, 128)]
# One way; the namespaces have no delay but that of the bridge and the scheduler.
LATENCY = "100us"


class Daemon:
    """A peer with nobody to talk to: the simulator needs no directory."""

    def __init__(self, programs):
        self.programs, self.home = programs, tempfile.mkdtemp(prefix="accuracy-")
        self.socket = os.path.join(self.home, "peerd.sock")
        self.process = subprocess.Popen(
            [f"{programs}/peerd", "run", "--name", "accuracy", "--directory", "http://127.0.0.1:1", "--listen", "127.0.0.1:0",
             "--state-dir", self.home, "--socket", self.socket, "--download-dir", self.home],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 20
        while not os.path.exists(self.socket):
            if time.monotonic() > deadline or self.process.poll() is not None:
                sys.exit("peerd does not start")
            time.sleep(0.05)

    def ask(self, *words):
        command = [f"{self.programs}/peerctl", "--socket", self.socket, "--json", *words]
        return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

    def close(self):
        self.process.terminate()
        self.process.wait(30)


def measured(bench, programs, case, runs, out):
    peers, mbit, mib = case
    if os.path.exists(out):
        os.remove(out)
    command = [sys.executable, f"{bench}/transfer.py", "--net", "swarm", "-n", str(peers), "--rate", f"{mbit}mbit",
               "--size", f"{mib}M", "--runs", str(runs), "--out", out, "enjambre"]
    subprocess.run(command, check=True, cwd=bench, env={**os.environ, "ENJAMBRE_BIN": programs}, stdout=sys.stderr)
    with open(out) as lines:
        records = [json.loads(line) for line in lines]
    good = [record for record in records if record["finished"] == peers]
    if not good:
        sys.exit(f"no run of {case} has ended well: {records}")
    return {key: statistics.median(record[key] for record in good) for key in ("first_s", "wall_s", "machine_cpu")}


def predicted(daemon, case):
    peers, mbit, mib = case
    rate = f"{mbit}Mbit"
    answers = [daemon.ask("simulate", "--peers", str(peers), "--size", f"{mib}MiB", "--up", rate, "--down", rate,
                          "--latency", LATENCY, "--seed", str(seed)) for seed in range(1, 6)]
    return {key: statistics.median(answer[key] for answer in answers) for key in ("first_s", "last_s", "bound_s")}


def row(case, real, model):
    peers, mbit, mib = case
    off = (model["last_s"] / real["wall_s"] - 1) * 100
    return (f"| {peers} | {mbit} Mbit/s | {mib} MiB | {off:+.1f} % | {model['last_s']:.2f} | {real['wall_s']:.2f} "
            f"| {model['first_s']:.2f} | {real['first_s']:.2f} | {model['bound_s']:.2f} | {real['machine_cpu']:.2f} |"), off


def processor():
    """As proc(5) names it."""
    with open("/proc/cpuinfo") as file:
        names = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    return names[0] if names else "unknown"


def write(rows, constants, runs, worst):
    path = os.path.join(ROOT, "BENCHMARKS.md")
    with open(path) as file:
        text = file.read()
    table = "\n".join(rows)
    section = f"""{BEGIN}
Seconds until the last (and the first) of N leechers has the file from one seed, links shaped both ways; medians of {runs}
runs and of five seeds. The worst is {worst:.1f} % off. `cpu` is the share of the machine's cores that was busy: near 1 the cores
are the limit, which the simulator does not model.

| N | links | file | off | predicted last | measured last | predicted first | measured first | bound | cpu |
| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |
{table}

Machine: {os.cpu_count()} cores ({processor()}), Linux {os.uname().release.split('-')[0]}. Constants of `peerctl simulate calibrate`
there: {constants['service']} a request, {constants['verify_per_mib']} a MiB, {constants['connect']} a connection.
`peerd/swarm/benches/accuracy.py` writes this.
{END}"""
    before, rest = text.split(BEGIN)
    with open(path, "w") as file:
        file.write(before + section + rest.split(END)[1])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--only", type=int, help="only so many of the cases; nothing is written then")
    parser.add_argument("--bench", default=os.path.join(ROOT, "../shared/bench"))
    parser.add_argument("--programs", default=os.path.join(ROOT, "target/release"))
    parser.add_argument("--predict", action="store_true", help="ask the simulator alone")
    args = parser.parse_args()
    bench, programs = os.path.abspath(args.bench), os.path.abspath(args.programs)
    daemon = Daemon(programs)
    rows, offs = [], []
    try:
        constants = daemon.ask("simulate", "calibrate")
        for case in CASES[:args.only]:
            model = predicted(daemon, case)
            if args.predict:
                print(case, model)
                continue
            line, off = row(case, measured(bench, programs, case, args.runs, os.path.join(daemon.home, "runs.jsonl")), model)
            print(line, flush=True)
            rows.append(line)
            offs.append(abs(off))
    finally:
        daemon.close()
    if rows and not args.only:
        write(rows, constants, args.runs, max(offs))


if __name__ == "__main__":
    main()
