#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""plugins.py ca name:port wsctl-socket rounds messages

Mail from alice to bob, one after the other on kept connections: until it is
accepted, and until it is in the mailbox; in turns without plug-ins, beside
one that has nothing to do with it, beside the same one while it hangs for
carol's mail, and through one that says yes.
"""
import os
import re
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.environ["WS_TOP"], "regress", "system"))
from attack import WSE                                  # noqa: E402
from soak_client import Account, Session                # noqa: E402

CASES = ("none", "idle", "hanging", "asked")


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
    ca, where, ctl, rounds, count = sys.argv[1:]
    alice, bob, carol = (Account("%s:%s:%s-secret-%s" % (where, u, u, where.split(".")[0]), ca)
                         for u in ("alice", "bob", "carol"))
    tx, rx = Session(alice), Session(bob)
    took = {c: ([], []) for c in CASES}
    since = change(rx)
    for n in range(int(rounds) + 1):
        for case in CASES:
            for name in ("beside", "through"):
                on = (name == "beside" and case in ("idle", "hanging")) or \
                    (name == "through" and case == "asked")
                subprocess.run(["wsctl", "-s", ctl, "plugin", "enable" if on else "disable", name],
                               stdout=subprocess.DEVNULL, check=True)
            stop = threading.Event()
            other = threading.Thread(target=hang, args=(carol, stop))
            if case == "hanging":
                other.start()
                time.sleep(0.5)
            for _ in range(int(count)):
                a, b, since = one(tx, rx, since)
                if n > 0:           # the first round warms
                    took[case][0].append(a)
                    took[case][1].append(b)
            stop.set()
            if case == "hanging":
                other.join()
    for case in CASES:
        for what, v in zip(("accepted", "in the mailbox"), took[case]):
            v.sort()
            print("%-10s %-15s %6d %8.2f %8.2f %8.2f" % (
                case, what, len(v), v[len(v) // 2], v[int(len(v) * .99)], v[-1]))


main()
