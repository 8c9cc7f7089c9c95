# SPDX-License-Identifier: ISC
"""What the benchmarks have in common: a table for people, and a line for
programs with the conditions under which the figures came about."""
import json
import os
import platform
import subprocess


def commit():
    """With a + when what is measured is not what was committed."""
    def git(*args):
        return subprocess.run(["git", "-C", os.environ["WS_TOP"], *args], text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                              check=False).stdout.strip()
    return (git("rev-parse", "--short", "HEAD") or "unknown") + (
        "+" if git("status", "--porcelain", "-uno") else "")


def cpu():
    try:
        with open("/proc/cpuinfo", encoding="ascii", errors="replace") as f:
            for line in f:
                if line.startswith("model name"):
                    return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def figures(took):
    """Of the times in ms."""
    v = sorted(took)
    return {"n": len(v), "least": v[0], "median": v[len(v) // 2],
            "p99": v[int(len(v) * .99)], "most": v[-1]}


def report(name, rows, base=None, **more):
    """rows: name to figures; base: the row that the others are compared with."""
    width = max(len(r) for r in rows) + 2
    head = ["number", "least", "median", "p99", "most"] + ["x median", "x p99", "x most"] * bool(base)
    print("%-*s" % (width, name + ", ms") + "".join("%10s" % h for h in head))
    for row, f in rows.items():
        line = "%-*s%10d" % (width, row, f["n"]) + "".join(
            "%10.2f" % f[k] for k in ("least", "median", "p99", "most"))
        if base:
            f["ratio"] = {k: round(f[k] / rows[base(row)][k], 3) for k in ("median", "p99", "most")}
            line += "".join("%10.2f" % f["ratio"][k] for k in ("median", "p99", "most"))
        print(line)
        for k in ("least", "median", "p99", "most"):
            f[k] = round(f[k], 3)
    load = os.getloadavg()[0]
    print("commit %s, %d CPUs (%s), %s, load %.2f" % (
        commit(), os.cpu_count(), cpu(), platform.platform(), load))
    print("bench " + json.dumps({
        "name": name, "unit": "ms", "commit": commit(), "cpu": cpu(), "cpus": os.cpu_count(),
        "system": platform.platform(), "load": round(load, 2), "rows": rows, **more}))
