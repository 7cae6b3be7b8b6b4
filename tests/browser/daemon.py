"""The real fastsagd, as a person would start it."""
import os
import re
import signal
import subprocess
import threading
import time

BIN = os.environ["FASTSAG_BIN"]


class Daemon:
    def __init__(self, *arguments, port=0):
        self.process = subprocess.Popen(
            [os.path.join(BIN, "fastsagd"), "--set", f"server.port={port}", *arguments],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.lines, self.address = [], None
        self.ready = threading.Event()
        threading.Thread(target=self._read, daemon=True).start()
        started = time.monotonic()
        if not self.ready.wait(60):
            raise RuntimeError("fastsagd printed no address:\n" + "".join(self.lines))
        self.start_seconds = time.monotonic() - started

    def _read(self):
        for line in self.process.stdout:
            self.lines.append(line)
            found = re.search(r"http://[\w.:]+", line)
            if found and not self.address:
                self.address = found.group()
                self.ready.set()
        self.ready.set()

    @property
    def port(self):
        return int(self.address.rsplit(":", 1)[1])

    def memory_mib(self):
        with open(f"/proc/{self.process.pid}/status") as status:
            return int(re.search(r"VmRSS:\s+(\d+)", status.read()).group(1)) / 1024

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(20)
