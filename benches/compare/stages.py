"""The share of time by stage, from what ingestd logs of each batch and of each file."""

import json
from collections import Counter
from dataclasses import dataclass

# Microseconds of a writer; what is left of the file's time, it was waiting for a batch.
WRITER = {"prepare_us": "prepare", "fence_us": "fence", "write_us": "write", "commit_us": "commit"}


@dataclass
class Stages:
    """Microseconds, added up over the writers and over the files."""

    writers: dict
    partitions: int
    batches: int
    read_us: int  # from a file's opening to the end of its reading
    waited_us: int  # of that, for the writers to keep up
    load_us: int  # from a file's opening to all of its rows being committed
    ledger_us: int  # the transactions that made files COMMITTED

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
                files.update({field: line[field] for field in ("read_us", "waited_us", "load_us", "commit_us")})
        if not files["load_us"] or not partitions:
            return None
        return Stages(
            dict(writers), len(partitions), batches,
            files["read_us"], files["waited_us"], files["load_us"], files["commit_us"],
        )

    def shares(self):
        """Of the writers' time, and how much of the load's time the file was read and decoded."""
        whole = self.partitions * self.load_us
        shares = {stage: us / whole for stage, us in self.writers.items()}
        shares["idle"] = max(0.0, 1 - sum(shares.values()))
        shares["reading"] = (self.read_us - self.waited_us) / self.load_us
        return shares
