#!/usr/bin/env python3
"""A worker in Python: leases jobs over HTTP and completes them.

    worker.py [--url http://127.0.0.1:8420] [--queue words] [--count N]

Needs nothing but Python's standard library. MUSTER_TOKEN is the token, if the
node asks for one (scope `work`). SIGTERM and SIGINT: the job at hand is
finished, then it ends.
"""

import argparse
import base64
import json
import os
import signal
import socket
import sys
import threading
import time
import urllib.error
import urllib.request

LEASE_TTL = 30  # seconds; extended three times as often
POLL = 20
NAME = f"{socket.gethostname()}-{os.getpid()}"


# [handler]
def handle(payload: bytes, stopped: threading.Event) -> bytes:
    """What a job is. An exception fails the attempt; ValueError fails the job."""
    words = payload.decode("utf-8").split()
    if not words:
        raise ValueError("there are no words")
    return str(len(words)).encode()
# [handler]


class Node:
    """A node's HTTP interface. Every request has a time limit."""

    def __init__(self, url: str):
        self.url = url.rstrip("/")

    def post(self, path: str, body: bytes = b"", limit: float = 30) -> dict:
        request = urllib.request.Request(self.url + path, body, method="POST")
        token = os.environ.get("MUSTER_TOKEN")
        if token:
            request.add_header("Authorization", "Bearer " + token)
        with urllib.request.urlopen(request, timeout=limit) as reply:
            return json.loads(reply.read() or b"{}")

    def settle(self, path: str, body: bytes) -> int:
        """Says how an attempt ended, until the node has heard it. Returns the
        status: 409 if somebody else has the job by now, or it was cancelled."""
        pause = 0.2
        while True:
            try:
                self.post(path, body)
                return 200
            except urllib.error.HTTPError as err:
                if err.code < 500 and err.code != 429:
                    return err.code
            except (OSError, ValueError):
                pass
            time.sleep(pause)
            pause = min(pause * 2, 10)


class Heartbeat(threading.Thread):
    """Extends one lease while its job runs; hears that the job was cancelled."""

    def __init__(self, node: Node, token: str):
        super().__init__(daemon=True)
        self.node, self.token = node, token
        self.stopped, self.over = threading.Event(), threading.Event()

    def run(self) -> None:
        body = json.dumps({"ttl": f"{LEASE_TTL}s"}).encode()
        while not self.over.wait(LEASE_TTL / 3):
            try:
                answer = self.node.post(f"/v1/leases/{self.token}/extend", body)
                if answer.get("cancelled"):
                    self.stopped.set()
            except urllib.error.HTTPError as err:
                if err.code == 409:
                    self.stopped.set()
            except (OSError, ValueError):
                pass  # the lease may last until the node is back


def run(node: Node, lease: dict) -> None:
    path = "/v1/leases/" + lease["token"]
    heartbeat = Heartbeat(node, lease["token"])
    heartbeat.start()
    try:
        result = handle(base64.b64decode(lease["payload_base64"]),
                        heartbeat.stopped)
    except Exception as err:  # the job's failure, not the worker's
        failure = {"error": str(err) or type(err).__name__,
                   "retry": not isinstance(err, ValueError)}
        node.settle(path + "/fail", json.dumps(failure).encode())
    else:
        status = node.settle(path + "/complete", result)
        if status == 413:
            failure = {"error": "the result is too large", "retry": False}
            node.settle(path + "/fail", json.dumps(failure).encode())
    finally:
        heartbeat.over.set()


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--url", default="http://127.0.0.1:8420")
    options.add_argument("--queue", default="words")
    options.add_argument("--count", type=int, default=0,
                         help="end after so many jobs; 0: never")
    args = options.parse_args()
    node = Node(args.url)
    ending = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ending.set())
    take = (f"/v1/queues/{args.queue}/leases?max=1&wait={POLL}s"
            f"&ttl={LEASE_TTL}s&worker={NAME}")
    done, pause = 0, 0.2
    while not ending.is_set() and not (args.count and done >= args.count):
        try:
            leases = node.post(take, limit=POLL + 10)["leases"]
            pause = 0.2
        except urllib.error.HTTPError as err:
            if err.code < 500 and err.code != 429:
                print(f"worker: the node refuses: {err.read().decode()}",
                      file=sys.stderr)
                return 1
            leases = []
            ending.wait(pause)
        except (OSError, ValueError, KeyError) as err:
            print(f"worker: no node at {args.url}: {err}", file=sys.stderr)
            leases = []
            ending.wait(pause)
            pause = min(pause * 2, 10)
        for lease in leases:
            run(node, lease)
            done += 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
