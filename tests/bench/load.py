"""The load on a server under measurement: redis-benchmark in pipelined batches, then the order to end."""
import os
import subprocess
import threading
import time


def against(socket, requests, env):
    """A thread that waits for the server at `socket`, lets `requests` of each kind loose on it and shuts it down."""
    def work():
        for _ in range(600):
            if os.path.exists(socket):
                break
            time.sleep(0.05)
        quiet = {"env": env, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        subprocess.run(["redis-benchmark", "-s", socket, "-q", "-n", requests, "-P", "16", "-r", "100000", "-d", "100",
                        "-t", "set,get,incr,lpush,rpop,sadd,hset,zadd"], check=False, **quiet)
        subprocess.run(["redis-cli", "-s", socket, "shutdown", "nosave"], check=False, **quiet)
    if os.path.exists(socket):
        os.unlink(socket)
    thread = threading.Thread(target=work)
    thread.start()
    return thread
