"""The share of time by stage, from what ingestd logs of each batch and of each file."""

import json
from collections import Counter
from dataclasses import dataclass

# Of a writer; what is left of the file's time, it was waiting for a batch.
WRITER = {"prepare_ms": "prepare", "fence_ms": "fence", "write_ms": "write", "commit_ms": "commit"}


@dataclass
class Stages:
    """Milliseconds, added up over the writers and over the files."""

    writers: dict
    partitions: int
    batches: int
    read_ms: int  # from a file's opening to the end of its reading
    load_ms: int  # from a file's opening to all of its rows being committed
    ledger_ms: int  # the transactions that made files COMMITTED

    @staticmethod
    def read(lines):
        """From log lines as JSON; None where there are none of a file."""
        writers, partitions, files = Counter(), set(), Counter()
        batches = 0
        for line in lines:
            try:
                line = json.loads(line)
            except ValueError:
                continue
            if not isinstance(line, dict):
                continue
            if line.get("msg") == "batch committed":
                batches += 1
                partitions.add(line["partition"])
                writers.update({stage: line[field] for field, stage in WRITER.items()})
            elif line.get("msg") == "file committed":
                files.update({field: line[field] for field in ("read_ms", "load_ms", "commit_ms")})
        if not files["load_ms"] or not partitions:
            return None
        return Stages(
            dict(writers), len(partitions), batches,
            files["read_ms"], files["load_ms"], files["commit_ms"],
        )

    def shares(self):
        """Of the writers' time, and how much of the load's time the file was being read."""
        whole = self.partitions * self.load_ms
        shares = {stage: ms / whole for stage, ms in self.writers.items()}
        shares["idle"] = max(0.0, 1 - sum(shares.values()))
        shares["reading"] = self.read_ms / self.load_ms
        return shares
