"""The load on a server under measurement: redis-benchmark in pipelined batches, then the order to end."""
import csv
import os
import statistics
import subprocess
import threading
import time

KINDS = "set,get,incr,lpush,rpop,sadd,hset,zadd"


class Load:
    """Waits for the server at `socket`, lets `requests` of each kind loose on it and shuts it down; in a thread of its own.
    per_second, after join(): requests served a second, the geometric mean over the kinds, or None."""

    def __init__(self, socket, requests, env):
        self.socket, self.requests, self.env, self.per_second = socket, requests, env, None
        self.given_up = False
        if os.path.exists(socket):
            os.unlink(socket)
        self.thread = threading.Thread(target=self.work, daemon=True)
        self.thread.start()

    def work(self):
        while not self.answers():
            if self.given_up:
                return
            time.sleep(0.02)
        done = subprocess.run(["redis-benchmark", "-s", self.socket, "--csv", "-n", self.requests, "-P", "16", "-r", "100000", "-d", "100", "-t", KINDS],
                              check=False, env=self.env, capture_output=True, text=True)
        rates = [float(row["rps"]) for row in csv.DictReader(done.stdout.splitlines()) if row.get("rps")]
        if rates and min(rates) > 0:
            self.per_second = statistics.geometric_mean(rates)
        subprocess.run(["redis-cli", "-s", self.socket, "shutdown", "nosave"], check=False, env=self.env, capture_output=True)

    def answers(self):
        """The socket is there a moment before somebody listens."""
        return os.path.exists(self.socket) and subprocess.run(["redis-cli", "-s", self.socket, "ping"], check=False, env=self.env,
                                                              capture_output=True, text=True).stdout.strip() == "PONG"

    def join(self):
        """After the server has ended, by the order or otherwise."""
        self.given_up = True
        self.thread.join()
