#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""soak_client.py seconds senders ca name:port:user:password...

Sends from each user to the next one of the same server and to one of another,
reads and deletes in all mailboxes, and disturbs, for that many seconds; then
waits until all is there.  What was acknowledged must have come into the
mailbox of each recipient exactly once, whatever dies meanwhile; the changes
of a mailbox (sinceChange) tell, also of what is deleted.  Exit status 0, or 1
with what is missing or twice.
"""
import collections
import os
import random
import re
import sys
import threading
import time
import uuid
from xml.sax.saxutils import escape

from attack import S11, WSE, WSSE, Server, complete

PATIENCE = 90		# s for the last to arrive


class Account:
    def __init__(self, text, ca):
        self.domain, port, self.user, self.password = text.split(":", 3)
        self.address = "%s@%s" % (self.user, self.domain)
        self.server = Server(int(port), ca, self.domain)


class Session:
    """Requests of one user over a connection that is kept."""

    def __init__(self, account):
        self.account, self.conn = account, None

    def close(self):
        if self.conn:
            self.conn.close()
        self.conn = None

    def ask(self, operation):
        """The answer when it is good, b"" when it is to be asked again."""
        a = self.account
        body = ('<e:Envelope xmlns:e="%s"><e:Header><wsse:Security xmlns:wsse="%s">'
                '<wsse:UsernameToken><wsse:Username>%s</wsse:Username><wsse:Password>%s'
                '</wsse:Password></wsse:UsernameToken></wsse:Security></e:Header>'
                '<e:Body>%s</e:Body></e:Envelope>' % (
                    S11, WSSE, a.address, escape(a.password), operation)).encode()
        try:
            self.conn = self.conn or a.server.connect()
            self.conn.sendall(("POST /wsemail HTTP/1.1\r\nHost: %s\r\nContent-Type: text/xml\r\n"
                               "Content-Length: %d\r\n\r\n" % (a.domain, len(body))).encode() + body)
            out = b""
            while not complete(out):
                data = self.conn.recv(65536)
                if not data:
                    raise OSError("closed")
                out += data
        except OSError:
            self.close()
            return b""
        status = int(out.split(b" ", 2)[1])
        if status == 200:
            return out
        if status == 503 or b">451<" in out:
            return b""
        raise RuntimeError("%s: %r" % (a.address, out[-600:]))


class Soak:
    def __init__(self, accounts, seconds):
        self.accounts, self.end = accounts, time.time() + seconds
        self.lock = threading.Lock()
        self.sent = {a.address: set() for a in accounts}	# to each
        self.got = {a.address: collections.Counter() for a in accounts}
        self.counts = collections.Counter()
        self.errors = []
        self.senders = 0
        self.begin = {a.address: self.begun(a) for a in accounts}

    def begun(self, account):
        """Where the changes of a mailbox begin that are ours."""
        answer = Session(account).ask('<w:WSEmailFetchHeaders xmlns:w="%s"><w:limit>1</w:limit>'
                                      '</w:WSEmailFetchHeaders>' % WSE)
        return int(re.search(rb":Change>(\d+)<", answer).group(1))

    def count(self, what):
        with self.lock:
            self.counts[what] += 1

    def send(self, account, to, ident, session, text):
        op = ('<w:WSEmailSend xmlns:w="%s"><w:theMessage><w:Body>%s</w:Body><w:Recipients>%s'
              '</w:Recipients><w:Sender>%s</w:Sender><w:Timestamp>2026-11-23T00:00:00Z</w:Timestamp>'
              '<w:MessageId>%s</w:MessageId></w:theMessage>'
              '</w:WSEmailSend>' % (WSE, text, "".join("<w:string>%s</w:string>" % r for r in to),
                                    account.address, ident))
        until = self.end + PATIENCE
        while time.time() < until:
            answer = session.ask(op)
            if b">200<" in answer:
                with self.lock:
                    for r in to:
                        self.sent[r].add(ident)
                self.count("sent")
                return
            self.count("sent again")
            time.sleep(0.05)
        raise RuntimeError("%s was never taken" % ident)

    def sender(self, account):
        session, rnd = Session(account), random.Random(account.address)
        near = [a.address for a in self.accounts if a.domain == account.domain and a is not account]
        far = [a.address for a in self.accounts if a.domain != account.domain]
        while time.time() < self.end:
            self.send(account, [rnd.choice(near), rnd.choice(far)],
                      "%s@%s" % (uuid.uuid4().hex, account.domain), session,
                      "x" * rnd.choice((10, 1000, 30000)))
        session.close()

    def reader(self, account):
        """Follows the mailbox; deletes what it has seen; to the last message."""
        session, change = Session(account), self.begin[account.address]
        got = self.got[account.address]
        while True:
            done = self.senders == 0
            answer = session.ask('<w:WSEmailFetchHeaders xmlns:w="%s"><w:limit>200</w:limit>'
                                 '<w:sinceChange>%d</w:sinceChange></w:WSEmailFetchHeaders>' % (WSE, change))
            if answer:
                change = int(re.search(rb":Change>(\d+)<", answer).group(1))
                ids = re.findall(rb":MessageID>(\d+)<", answer)
                got.update(m.decode() for m in re.findall(rb":MessageId>([^<]+)<", answer))
                self.count("lists")
                if ids:
                    self.operate(session, ids)
                    continue
                with self.lock:
                    missing = self.sent[account.address] - set(got)
                if done and (not missing or time.time() > self.end + PATIENCE):
                    session.close()
                    return
            time.sleep(0.05)

    def operate(self, session, ids):
        if session.ask('<w:WSEmailRetrieve xmlns:w="%s"><w:messageToGet>%d</w:messageToGet>'
                       '</w:WSEmailRetrieve>' % (WSE, int(ids[0]))):
            self.count("retrieved")
        self.count("deletions")
        try:
            session.ask('<w:WSEmailDelete xmlns:w="%s"><w:messagesToDelete>%s</w:messagesToDelete>'
                        '</w:WSEmailDelete>' % (WSE, "".join("<w:int>%d</w:int>" % int(i) for i in ids)))
        except RuntimeError as e:	# none was there: an answer had been lost
            if ">550<" not in str(e):
                raise

    def disturber(self, account):
        """Octets that are nothing, heads without end, clients that vanish."""
        rnd = random.Random(1)
        while time.time() < self.end:
            try:
                with account.server.connect() as c:
                    c.sendall(rnd.choice((
                        os.urandom(200) + b"\r\n\r\n", b"POST /wsemail HTTP/1.1\r\nHost: x\r\n",
                        b"POST /wsemail HTTP/1.1\r\nHost: x\r\nContent-Type: text/xml\r\n"
                        b"Content-Length: 1000\r\n\r\n<e:Envelope", b"GET /" + b"a" * 20000)))
                    c.settimeout(0.2)
                    if rnd.random() < 0.5:
                        c.recv(100)
            except OSError:
                pass
            self.count("disturbances")
            time.sleep(0.05)

    def guard(self, work, account, is_sender):
        try:
            work(account)
        except Exception as e:		# whatever it is, it must be reported
            self.errors.append(repr(e))
        finally:
            if is_sender:
                with self.lock:
                    self.senders -= 1

    def run(self, senders):
        work = [(self.sender, a, True) for a in self.accounts for _ in range(senders)]
        self.senders = len(work)
        work += [(self.reader, a, False) for a in self.accounts]
        work += [(self.disturber, a, False) for a in self.accounts[:2]]
        threads = [threading.Thread(target=self.guard, args=w) for w in work]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        bad = list(self.errors)
        for address, sent in self.sent.items():
            got = self.got[address]
            bad += ["%s: %s is missing" % (address, i) for i in sorted(sent - set(got))[:5]]
            bad += ["%s: %s came %d times" % (address, i, n) for i, n in got.items() if n > 1][:5]
        print(" ".join("%s=%d" % (k.replace(" ", "-"), v) for k, v in sorted(self.counts.items())))
        for line in bad:
            print(line)
        return 1 if bad else 0


if __name__ == "__main__":
    if len(sys.argv) < 6:
        print(__doc__, file=sys.stderr)
        sys.exit(64)
    sys.exit(Soak([Account(a, sys.argv[3]) for a in sys.argv[4:]], float(sys.argv[1])).run(int(sys.argv[2])))
