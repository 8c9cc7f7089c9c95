# SPDX-License-Identifier: ISC
"""attach.py megabytes rounds port "process:pid..."

In the test's directory, with the two installations of attach.sh: how fast a
file goes up and comes down, and how fast TLS alone is.
"""
import os
import socket
import ssl
import subprocess
import sys
import time

import bench


def timed(f, *args):
    start = time.monotonic()
    f(*args)
    return (time.monotonic() - start) * 1000


def wsmail(user, *args):
    subprocess.run(["wsmail", "-f", user + ".rc", *args], check=True, stdin=subprocess.DEVNULL,
                   stdout=subprocess.DEVNULL)


def newest(user, subject):
    for _ in range(200):
        out = subprocess.run(["wsmail", "-f", user + ".rc", "list", "-n", "1"], check=True,
                             stdout=subprocess.PIPE, text=True).stdout
        for line in out.splitlines():
            if subject in line:
                return line.split()[0]
        time.sleep(0.05)
    raise SystemExit("the message did not come")


def serve(listener, context, path, rounds):
    """One plain download after the other."""
    for _ in range(rounds):
        sock, _ = listener.accept()
        with context.wrap_socket(sock, server_side=True) as tls, open(path, "rb") as f:
            tls.recv(1000)
            while data := f.read(1 << 20):
                tls.sendall(data)


def plain(port, context, path):
    with socket.create_connection(("127.0.0.1", port)) as sock, \
            context.wrap_socket(sock, server_hostname="capricorn.test") as tls, \
            open(path, "wb") as f:
        tls.sendall(b"GET\r\n")
        while data := tls.recv(1 << 20):
            f.write(data)
        f.flush()
        os.fsync(f.fileno())


def memory(pids):
    out = {}
    for pair in pids.split():
        name, pid = pair.split(":")
        with open("/proc/%s/status" % pid, encoding="ascii") as f:
            for line in f:
                if line.startswith("VmHWM:"):
                    out[name] = int(line.split()[1]) // 1024
    return out


def main(mb, rounds, port, pids):
    with open("file", "wb") as f:
        for _ in range(mb):
            f.write(os.urandom(1 << 20))
    rows = {"plain TLS": [], "upload": [], "fetch": []}
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain("capricorn/capricorn.test-tls.crt", "capricorn/capricorn.test-tls.key")
    client = ssl.create_default_context(cafile="ca/ca.crt")
    listener = socket.create_server(("127.0.0.1", port))
    child = os.fork()
    if child == 0:
        serve(listener, server, "file", rounds)
        os._exit(0)
    for i in range(rounds):
        rows["plain TLS"].append(timed(plain, port, client, "got"))
        subject = "round-%d" % i
        rows["upload"].append(timed(wsmail, "capricorn/alice", "send", "-A", "file", "-s", subject,
                                    "bob@scorpio.test"))
        ident = newest("scorpio/bob", subject)
        rows["fetch"].append(timed(wsmail, "scorpio/bob", "fetch", "-H", "127.0.0.1:" +
                                   os.environ["PORT"], "-o", "fetched", ident))
        if subprocess.run(["cmp", "file", "fetched"], check=False).returncode:
            raise SystemExit("what was fetched is something else")
        os.unlink("fetched")
    os.waitpid(child, 0)
    figures = {name: bench.figures(took) for name, took in rows.items()}
    for name, f in figures.items():
        f["mb_per_s"] = round(mb * 1000 / f["median"], 1)
        print("%-10s %8.1f MB/s" % (name, f["mb_per_s"]))
    peak = memory(pids)
    print("most memory of a process, MB: " + ", ".join("%s %d" % p for p in peak.items()))
    bench.report("attachment of %d MB" % mb, figures, base=lambda row: "plain TLS", peak_mb=peak)


main(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
