"""Commands that are measured, and the service that is watched while it runs."""

import json
import os
import signal
import subprocess
import threading
import time
from dataclasses import dataclass

from .proc import peak_memory

# No single command takes longer than this; one that hangs must not hang the run.
LIMIT_S = 3600
# How long a condition is waited for that should hold within seconds.
PATIENCE_S = 600


class Failed(Exception):
    """The run can't go on: a command failed, or a table holds something else than it should."""


@dataclass
class Finished:
    """How a command went."""

    seconds: float
    cpu_s: float  # user and system, its own and that of the children it waited for
    peak_bytes: int  # resident, of the process itself
    output: str  # what it wrote
    ended: float  # time.time() at its end


def run(argv, env, output):
    """Runs a command to its end, with what it writes going to the file `output`."""
    with open(output, "wb") as sink:
        begun = time.perf_counter()
        process = subprocess.Popen(
            argv, env=env, stdin=subprocess.DEVNULL, stdout=sink, stderr=subprocess.STDOUT
        )
        # After its end there is none to be read, and `ru_maxrss` begins with that of this process.
        peak = Peak(lambda: peak_memory(process.pid), every=0.02)
        timer = threading.Timer(LIMIT_S, process.kill)
        timer.start()
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            process.kill()
            process.wait()
            raise
        finally:
            seconds, ended = time.perf_counter() - begun, time.time()
            timer.cancel()
            peak.stop()
    process.returncode = os.waitstatus_to_exitcode(status)
    text = output.read_text(errors="replace")
    if process.returncode != 0:
        raise Failed(f"{' '.join(map(str, argv))}\nended with {process.returncode}:\n{text[-4000:]}")
    return Finished(seconds, usage.ru_utime + usage.ru_stime, peak.most, text, ended)


class Peak:
    """The most of what was seen by looking at it now and then."""

    def __init__(self, look, every):
        self.most = 0
        self._look = look
        self._every = every
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self):
        while True:
            self.most = max(self.most, self._look())
            if self._stopped.wait(self._every):
                break

    def stop(self):
        self._stopped.set()
        self._thread.join()


class Service:
    """`ingestd run`, with the lines of its log and when each of them came."""

    def __init__(self, argv, env, log):
        self.begun = time.perf_counter()
        self._process = subprocess.Popen(
            argv, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        self._lines = []
        self._news = threading.Condition()
        self._log = open(log, "ab")
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self._process.returncode is None:
            self.kill()

    def _read(self):
        for raw in self._process.stderr:
            now = time.perf_counter()
            self._log.write(raw)
            try:
                line = json.loads(raw)
            except ValueError:
                line = {"msg": raw.decode(errors="replace")}
            with self._news:
                self._lines.append((now, line))
                self._news.notify_all()
        with self._news:
            self._lines.append((time.perf_counter(), None))
            self._news.notify_all()
        self._log.close()

    def wait_for(self, message, patience=PATIENCE_S):
        """When the first line with this message came; None where none came in time."""
        until = time.perf_counter() + patience
        seen = 0
        with self._news:
            while True:
                for at, line in self._lines[seen:]:
                    if line is None:
                        raise Failed(f"ingestd ended while {message!r} was waited for:\n{self.tail()}")
                    if line.get("msg") == message:
                        return at
                seen = len(self._lines)
                left = until - time.perf_counter()
                if left <= 0:
                    return None
                self._news.wait(left)

    def line(self, message):
        """The first line with this message."""
        if self.wait_for(message) is None:
            raise Failed(f"ingestd logs no line with {message!r}:\n{self.tail()}")
        with self._news:
            return next(line for _, line in self._lines if line and line.get("msg") == message)

    def wait_until(self, condition, what, every=0.005):
        """Waits until `condition()` holds, as long as the service lives."""
        until = time.perf_counter() + LIMIT_S
        while not condition():
            if self._process.poll() is not None:
                raise Failed(f"ingestd ended while {what} was waited for:\n{self.tail()}")
            if time.perf_counter() > until:
                raise Failed(f"{what} took longer than {LIMIT_S} s:\n{self.tail()}")
            time.sleep(every)

    def age(self):
        """Seconds since its start."""
        return time.perf_counter() - self.begun

    def tail(self):
        """The last lines of its log."""
        return "\n".join(json.dumps(line) for _, line in self._lines[-20:] if line)

    def stop(self):
        """Ends it in order; what it has used."""
        peak = peak_memory(self._process.pid)
        self._process.send_signal(signal.SIGTERM)
        timer = threading.Timer(60, self._process.kill)
        timer.start()
        _, status, usage = os.wait4(self._process.pid, 0)
        timer.cancel()
        self._process.returncode = os.waitstatus_to_exitcode(status)
        self._reader.join()
        if self._process.returncode != 0:
            raise Failed(f"ingestd ended with {self._process.returncode}:\n{self.tail()}")
        return Finished(self.age(), usage.ru_utime + usage.ru_stime, peak, "", time.time())

    def kill(self):
        """Ends it as a crash would."""
        self._process.kill()
        self._process.wait()
        self._reader.join()
