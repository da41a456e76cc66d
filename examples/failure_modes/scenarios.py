"""The scenarios. Each one is called with a cluster without nodes and a function
that tells what happens, and returns a node that can be asked for the results."""

import json
import os
import signal
import socket

from cluster import Node, until

JOBS = 60


def manager_dies(nodes, tell):
    manager = nodes.manager()
    manager.start()
    worker = nodes.worker("worker", manager)
    worker.start()
    nodes.enqueue(manager, JOBS)
    nodes.wait_for(manager, JOBS // 4)
    manager.kill()
    tell("the manager is killed (SIGKILL) with a quarter of its jobs done")
    until(lambda: outcomes_kept(worker) > 0, "outcomes on the worker's disk")
    tell("its worker finishes what it has, and keeps the outcomes on disk")
    took = manager.start()
    tell(f"started again on the same data, it serves after {took:.2f} s")
    return manager


def manager_replaced(nodes, tell):
    manager = nodes.manager()
    watch(nodes, manager)
    first = until(manager.facts, "the manager")["pid"]
    tell(f"a watchdog has started a manager, process {first}")
    nodes.worker("worker", manager).start()
    nodes.enqueue(manager, JOBS)
    nodes.wait_for(manager, JOBS // 4)
    os.kill(first, signal.SIGKILL)
    tell("it is killed (SIGKILL), and nobody starts it but the watchdog")
    second = until(lambda: replaced(manager, first), "a replacement")
    tell(f"process {second} has its place")
    return manager


def port_occupied(nodes, tell):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        manager = Node(nodes, "manager", "manager", f"--http-port={port}",
                       "--node-port=0", "--lease-grace=2s")
        manager.start()
    tell(f"HTTP port {port} was occupied: it is {manager.port('http')} now, as "
         "node.json says")
    worker = nodes.worker("worker", manager)
    worker.start()
    nodes.enqueue(manager, JOBS)
    nodes.wait_for(manager, JOBS // 4)
    before = manager.port("node")
    manager.kill()
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", before))
        taken.listen()
        tell(f"the manager is killed, and somebody else takes its port {before}")
        manager.command.append(f"--node-port={before}")
        manager.start()
        tell(f"it serves at {manager.port('node')}; its worker knows only "
             f"{before}")
        done = len(nodes.finished(manager))
        nodes.wait_for(manager, done + 8)
        tell("they have found each other")
    return manager


def worker_not_ready(nodes, tell):
    manager = nodes.manager()
    manager.start()
    slow = nodes.worker("slow", manager)
    # The second launch never says anything: it hangs before it is a node.
    count = os.path.join(nodes.dir, "launches")
    script = os.path.join(nodes.dir, "launch")
    with open(script, "w", encoding="utf-8") as f:
        f.write('#!/bin/sh\necho x >> "$LAUNCHES"\n'
                '[ "$(wc -l < "$LAUNCHES")" = 2 ] && exec sleep 600\n'
                'exec "$@"\n')
    os.chmod(script, 0o755)
    os.environ["LAUNCHES"] = count
    watch(nodes, slow, script)
    first = until(slow.facts, "the worker")["pid"]
    nodes.worker("other", manager).start()
    nodes.enqueue(manager, JOBS)
    nodes.wait_for(manager, JOBS // 6)
    os.kill(first, signal.SIGKILL)
    tell("one of two workers is killed; its next launch will never be ready")
    done = len(nodes.finished(manager))
    nodes.wait_for(manager, done + 8)
    tell("the other worker goes on meanwhile")
    until(lambda: replaced(slow, first), "the third launch")
    with open(count, encoding="utf-8") as f:
        launches = len(f.readlines())
    tell(f"the launch was given up after 2 s and made again: {launches} in all")
    return manager


def done_is_lost(nodes, tell):
    manager = nodes.manager()
    manager.start()
    worker = nodes.worker("worker", manager)
    worker.start()
    nodes.enqueue(manager, 8)
    until(lambda: nodes.run_count() >= 4, "jobs to run")
    manager.send(signal.SIGSTOP)
    tell("the manager is stopped while jobs run: it hears no outcome")
    until(lambda: outcomes_kept(worker) >= 4, "outcomes on the worker's disk")
    manager.kill()
    worker.kill()
    tell("their outcomes are on the worker's disk; both nodes are killed")
    manager.start()
    # At another port it would not be found: they have never met.
    worker.command = [flag for flag in worker.command
                      if not flag.startswith("--join=")]
    worker.command.append(f"--join=127.0.0.1:{manager.port('node')}")
    worker.start()
    nodes.wait_for(manager, 8)
    tell("both are started again, and the outcomes are reported")
    return manager


def scaling_down(nodes, tell):
    manager = nodes.manager()
    manager.start()
    first = nodes.worker("first", manager)
    first.start()
    nodes.worker("second", manager).start()
    nodes.enqueue(manager, JOBS)
    nodes.wait_for(manager, JOBS // 6)
    status, took = first.stop()
    tell(f"a worker is asked to end: it finishes what runs, hands back what it "
         f"has not begun, and ends after {took:.2f} s with status {status}")
    if status != 0:
        raise RuntimeError("a worker that drains must end with status 0")
    status, took = manager.stop()
    tell(f"the manager is asked to end: {took:.2f} s, status {status}. Its "
         "queues are in its directory, and nowhere else")
    manager.start()
    left = manager.json("/v1/queues/texts")
    tell("started again, it has all of them: "
         + ", ".join(f"{count} {state}" for state, count
                     in left["depth"].items() if count))
    return manager


# -- what they have in common ---------------------------------------------------

def watch(nodes, node, *before):
    """Has the watchdog start a node, and start it again whenever it ends."""
    nodes.spawn([nodes.watchdog, os.path.join(nodes.dir, "watchdog"), *before,
                 *node.command], "watchdog")


def replaced(node, before):
    """The node's process, once it is another one and serves."""
    facts = node.facts()
    return facts["pid"] if facts and facts["pid"] != before else None


def outcomes_kept(worker):
    """How many outcomes a worker keeps on its disk."""
    text = worker.ask("GET", "/metrics")[1].decode()
    for line in text.splitlines():
        if line.startswith("muster_worker_outbox_outcomes"):
            return int(float(line.split()[-1]))
    return 0


ALL = {
    "manager-dies": (manager_dies, "a manager dies with jobs in its queues"),
    "manager-replaced": (manager_replaced, "a dead manager is replaced"),
    "port-occupied": (port_occupied, "the manager's port is occupied"),
    "worker-not-ready": (worker_not_ready, "a worker never says that it is ready"),
    "done-is-lost": (done_is_lost, "a worker's 'done' does not arrive"),
    "scaling-down": (scaling_down, "nodes are taken away"),
}
NEED_WATCHDOG = ("manager-replaced", "worker-not-ready")
