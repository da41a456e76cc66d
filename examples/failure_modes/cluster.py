"""Nodes as processes of this machine, jobs for them, and the check that nothing
was lost or recorded twice. Needs nothing but Python's standard library."""

import hashlib
import json
import os
import signal
import subprocess
import time
import urllib.error
import urllib.request

PATIENCE = 30  # seconds, for whatever must come at last
QUEUE = "texts"
# A little work, so that there is something to interrupt. Each start of the
# command is a line in the file `runs`, of the payload.
COMMAND = 'tee -a "$RUNS" | (read x; echo "$x"; sleep 0.1) | sha256sum'


def until(condition, what):
    """Waits until a condition returns something true, and returns that."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.02)
    raise TimeoutError(f"waited in vain for {what}")


def free_of(path):
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass


class Node:
    """A `muster node` and its data directory. It can be started again."""

    def __init__(self, cluster, name, roles, *flags):
        self.cluster = cluster
        self.name = name
        self.dir = os.path.join(cluster.dir, name)
        self.command = [cluster.muster, "node", f"--name={name}",
                        f"--roles={roles}", f"--data-dir={self.dir}",
                        f"--config-file={cluster.config}",
                        "--exit-with-stdin", *flags]
        self.process = None

    def start(self):
        """Starts it and waits until it serves. Returns how long that took."""
        begun = time.monotonic()
        free_of(os.path.join(self.dir, "node.json"))
        self.process = self.cluster.spawn(self.command, self.name)
        until(self.serves, f"{self.name} to serve")
        return time.monotonic() - begun

    def serves(self):
        if self.process and self.process.poll() is not None:
            raise RuntimeError(f"{self.name} ended; see {self.dir}.log")
        return self.facts() is not None

    def facts(self):
        """What it published about itself, once it serves."""
        try:
            with open(os.path.join(self.dir, "node.json"), encoding="utf-8") as f:
                return json.load(f)
        except (FileNotFoundError, json.JSONDecodeError):
            return None

    def port(self, kind):
        return self.facts()[kind]["port"]

    def send(self, number):
        os.kill(self.process.pid, number)

    def kill(self):
        """As if its machine's power had failed, but for the disk's cache."""
        self.send(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        """Asks it to drain. Returns its exit status and how long it took."""
        begun = time.monotonic()
        self.send(signal.SIGTERM)
        status = self.process.wait(PATIENCE)
        return status, time.monotonic() - begun

    def ask(self, method, path, body=None, headers=None):
        """One request, made again until it is answered."""
        def try_once():
            url = f"http://127.0.0.1:{self.port('http')}{path}"
            request = urllib.request.Request(url, body, headers or {},
                                             method=method)
            try:
                with urllib.request.urlopen(request, timeout=10) as reply:
                    return reply.status, reply.read()
            except urllib.error.HTTPError as err:
                if err.code in (429, 503):
                    return None
                return err.code, err.read()
            except (OSError, TypeError):
                return None  # not there, or not yet
        return until(try_once, f"{self.name} to answer {method} {path}")

    def json(self, path):
        return json.loads(self.ask("GET", path)[1])


class Cluster:
    """All that a scenario starts; ends with it."""

    def __init__(self, muster, watchdog, directory):
        self.muster = muster
        self.watchdog = watchdog
        self.dir = directory
        self.runs = os.path.join(directory, "runs")
        self.config = os.path.join(directory, "muster.conf")
        with open(self.config, "w", encoding="utf-8") as f:
            f.write(f'exec.handlers.{QUEUE} = ["sh", "-c", '
                    f"{json.dumps(COMMAND)}]\n")
        self.processes = []
        self.sent = {}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        # All of them end with their standard input, and the watchdog ends what
        # it runs.
        for process in self.processes:
            process.stdin.close()
        for process in self.processes:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def spawn(self, command, name):
        with open(os.path.join(self.dir, name + ".log"), "ab") as log:
            process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                stderr=log, env={**os.environ, "RUNS": self.runs})
        self.processes.append(process)
        return process

    def manager(self, *flags):
        return Node(self, "manager", "manager", "--http-port=0",
                    "--node-port=0", "--lease-grace=2s", *flags)

    def worker(self, name, manager, *flags):
        return Node(self, name, "worker", "--http-port=0", "--node-port=0",
                    f"--join=127.0.0.1:{manager.port('node')}",
                    "--concurrency=4", "--node-timeout=2s", *flags)

    # -- jobs ------------------------------------------------------------------

    def enqueue(self, node, count):
        """Puts jobs in, and remembers what their results must be. An answer
        that is lost is asked for again under the same key."""
        for _ in range(count):
            payload = f"text {len(self.sent)}\n".encode()
            key = hashlib.sha256(payload + self.dir.encode()).hexdigest()
            status, answer = node.ask(
                "POST", f"/v1/queues/{QUEUE}/jobs?max_attempts=20", payload,
                {"Idempotency-Key": key,
                 "Content-Type": "application/octet-stream"})
            if status not in (200, 201):
                raise RuntimeError(f"not accepted: {answer.decode()}")
            self.sent[json.loads(answer)["id"]] = (
                hashlib.sha256(payload).hexdigest().encode() + b"  -\n")

    @staticmethod
    def finished(node):
        """The ids of all finished jobs, in order, as often as they are named."""
        ids, cursor = [], "0"
        while True:
            page = node.json(f"/v1/completed?queue={QUEUE}&top=1000"
                             f"&after={cursor}")
            ids += [job["id"] for job in page["jobs"]]
            if not page["jobs"]:
                return ids
            cursor = page["next"]

    def wait_for(self, node, count):
        until(lambda: len(self.finished(node)) >= count, f"{count} results")

    def run_count(self):
        """How often the command ran, for all jobs together."""
        try:
            with open(self.runs, "rb") as f:
                return sum(1 for _ in f)
        except FileNotFoundError:
            return 0

    def verify(self, node):
        """What is wrong once all is done: a list of sentences, empty if the
        promise was kept."""
        results = {}
        for job in self.sent:
            status, body = node.ask("GET", f"/v1/jobs/{job}/result?wait=8s")
            while status == 202:
                status, body = node.ask("GET", f"/v1/jobs/{job}/result?wait=8s")
            if status == 200:
                results[job] = body
        # The list of finished jobs may be behind for a moment.
        until(lambda: len(self.finished(node)) >= len(results), "the list")
        return what_is_wrong(self.sent, results, self.finished(node))


def what_is_wrong(sent, results, finished):
    """Compares what was accepted, {id: result that it must have}, with results,
    {id: bytes}, and with the ids in the order in which they were recorded."""
    wrong = [f"job {job} was accepted and has no result"
             for job in sent if job not in results]
    wrong += [f"job {job} has a wrong result"
              for job in results if results[job] != sent.get(job)]
    wrong += [f"job {job} is recorded {finished.count(job)} times"
              for job in sent if finished.count(job) != 1]
    wrong += [f"job {job} was never sent"
              for job in set(finished) if job not in sent]
    return wrong
