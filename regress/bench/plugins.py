#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""plugins.py ca name:port wsctl-socket rounds messages

Mail from alice to bob, one after the other on kept connections: until it is
accepted, and until it is in the mailbox; in turns without plug-ins, beside
one that has nothing to do with it, beside the same one while it hangs for
carol's mail, and through one that says yes.  In all of them there is PAUSE
between two messages, so that a turn is long enough for the plug-in to hang,
to be ended, to start anew and to be taken out of service.
"""
import json
import os
import re
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.environ["WS_TOP"], "regress", "system"))
from attack import WSE                                  # noqa: E402
from bench import figures, report                       # noqa: E402
from soak_client import Account, Session                # noqa: E402

CASES = ("none", "idle", "hanging", "asked")
ON = {"idle": ("beside",), "hanging": ("beside",), "asked": ("through",)}
PAUSE = 0.05		# s
PATIENCE = 60		# s


def message(sender, to, subject):
    return ('<w:WSEmailSend xmlns:w="%s"><w:theMessage><w:Body>%s</w:Body><w:Subject>%s</w:Subject>'
            '<w:Recipients><w:string>%s</w:string></w:Recipients><w:Sender>%s</w:Sender>'
            '</w:theMessage></w:WSEmailSend>' % (WSE, "x" * 1000, subject, to, sender))


def change(session, since=None):
    if since is None:
        out = session.ask('<w:WSEmailFetchHeaders xmlns:w="%s"><w:limit>1</w:limit>'
                          '</w:WSEmailFetchHeaders>' % WSE)
    else:
        out = session.ask('<x:WaitForChange xmlns:x="urn:wsemail:2"><x:sinceChange>%d'
                          '</x:sinceChange><x:timeout>30</x:timeout></x:WaitForChange>' % since)
    return int(re.search(rb":Change>(\d+)<", out).group(1))


class Control:
    def __init__(self, socket):
        self.socket = socket

    def __call__(self, *args):
        return subprocess.run(["wsctl", "-s", self.socket, *args], stdout=subprocess.PIPE,
                              text=True, check=True).stdout

    def plugins(self):
        """Their rows, by name."""
        out = {}
        for row in re.findall(r"\{[^{}]*\}", self("-o", "json", "show", "plugins")):
            row = json.loads(row)
            if "state" in row:
                out[row["name"]] = row
        return out

    def until(self, what, holds):
        end = time.monotonic() + PATIENCE
        while not holds():
            if time.monotonic() > end:
                raise SystemExit("not " + what)
            time.sleep(0.05)

    def turn(self, case):
        """Nothing of the turn before is left: no mail, and no plug-in that hangs."""
        for name in ("beside", "through"):
            self("plugin", "disable", name)
        self.until("an empty queue", self.empty)
        for name in ON.get(case, ()):
            self("plugin", "enable", name)
            self.until(name + " up", lambda n=name: self.plugins()[n]["state"] == "up")

    def empty(self):
        if '"kind":"queue"' not in self("-o", "json", "show", "queue"):
            return True
        self("schedule", "all")
        return False


def hang(account, stop):
    """Mail that makes the plug-in loop, again as soon as it is accepted."""
    session = Session(account)
    while not stop.is_set():
        session.ask(message(account.address, "carol@" + account.domain, "loop"))
        stop.wait(0.2)
    session.close()


def one(tx, rx, since):
    begun = time.monotonic()
    if b">200<" not in tx.ask(message(tx.account.address, rx.account.address, "bench")):
        raise SystemExit("not accepted")
    accepted = time.monotonic()
    now = change(rx, since)
    return (accepted - begun) * 1000, (time.monotonic() - begun) * 1000, now


def main():
    ca, where, socket, rounds, count = sys.argv[1:]
    ctl = Control(socket)
    alice, bob, carol = (Account("%s:%s:%s-secret-%s" % (where, u, u, where.split(".")[0]), ca)
                         for u in ("alice", "bob", "carol"))
    tx, rx = Session(alice), Session(bob)
    took = {c: ([], []) for c in CASES}
    since = change(rx)
    for n in range(int(rounds) + 1):
        for i in range(len(CASES)):
            case = CASES[(n + i) % len(CASES)]
            ctl.turn(case)
            stop = threading.Event()
            other = threading.Thread(target=hang, args=(carol, stop))
            if case == "hanging":
                before = ctl.plugins()["beside"]["failures"]
                other.start()
                ctl.until("hanging", lambda f=before: ctl.plugins()["beside"]["failures"] > f)
            for _ in range(int(count) if n > 0 else 10):
                a, b, since = one(tx, rx, since)
                if n > 0:           # the first round warms
                    took[case][0].append(a)
                    took[case][1].append(b)
                time.sleep(PAUSE)
            stop.set()
            if case == "hanging":
                other.join()
    rows = {"%s: %s" % (case, what): figures(v) for case in CASES
            for what, v in zip(("accepted", "in the mailbox"), took[case])}
    report("plugin-latency", rows, base=lambda row: "none:" + row.split(":")[1],
           pause_ms=PAUSE * 1000, killed=ctl.plugins()["beside"]["failures"])


main()
