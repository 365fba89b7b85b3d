"""Every rule with its id and name, in the order in which they are reported."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from flbrecover.audit.agents import Agent, Setup
from flbrecover.audit.findings import Judged, Outcome
from flbrecover.audit.rules import buffers, keys, position, rollout, rotation, sending


@dataclass(frozen=True, slots=True)
class Rule:
    """``id`` never changes its meaning; ``name`` is also the anchor of its section in docs/audit.md."""

    id: str
    name: str
    title: str
    check: Callable[[Agent, Setup], Iterator[Outcome]]

    @property
    def anchor(self) -> str:
        return f"{self.id}-{self.name}".lower()


RULES = (
    Rule("FLB000", "refused", "The configuration is refused, or not all there", buffers.outputs_there),
    Rule("FLB001", "no-db", "A tail input has no DB", position.db),
    Rule("FLB002", "db-lost", "The tail DB does not survive its pod", position.db_place),
    Rule("FLB003", "db-shared", "Two tail inputs have one DB", position.own_db),
    Rule("FLB004", "read-from-end", "New files are read from their end", position.from_head),
    Rule("FLB005", "store-dir-lost", "store_dir does not survive its pod", buffers.store_dir),
    Rule("FLB006", "store-dir-default", "store_dir is left at its default", buffers.store_dir_default),
    Rule("FLB007", "memory-buffer", "Records are in memory until the flush", buffers.storage_type),
    Rule("FLB008", "storage-path-lost", "storage.path does not survive its pod", buffers.storage_path),
    Rule("FLB009", "store-dir-limit", "What happens when store_dir is full", buffers.store_dir_limit),
    Rule("FLB010", "store-dir-shared", "Two outputs share one buffer folder", buffers.own_store_dir),
    Rule("FLB011", "key-overwritten", "Objects can replace each other", keys.unique_keys),
    Rule("FLB012", "index-key", "$INDEX keeps keys apart", keys.index),
    Rule("FLB013", "grace", "Grace, terminationGracePeriodSeconds and the buffers do not fit", rollout.grace),
    Rule("FLB014", "surge", "An update runs two pods at once on the same files", rollout.surge),
    Rule("FLB015", "update-gap", "An update leaves a gap that nothing covers", rollout.update_gap),
    Rule("FLB016", "paths-shared", "Two Fluent Bits work on the same files", rollout.shared_paths),
    Rule("FLB017", "logs-read-twice", "Two Fluent Bits store the same logs", rollout.same_logs),
    Rule("FLB018", "rotation", "Logs rotate faster than they are read", rotation.rotation),
    Rule("FLB019", "compressed-again", "Compressed copies are read again", rotation.compressed),
    Rule("FLB020", "long-lines", "Long lines end the reading of a file", rotation.long_lines),
    Rule("FLB021", "logs-not-mounted", "The logs are not mounted", rotation.logs_there),
    Rule("FLB022", "retry-limit", "Uploads are given up", sending.retries),
    Rule("FLB023", "upload-timeout", "Records are long on the node only", sending.upload_timeout),
    Rule("FLB024", "upload-memory", "An upload needs more memory than there is", sending.memory),
    Rule("FLB025", "losing-version", "A version that is known to lose", sending.known_faults),
    Rule(
        "FLB026", "names-compared", "The rows of followed symlinks are dropped at every start", position.compared_names
    ),
)
REFUSED = RULES[0]


def judge(setup: Setup) -> list[Judged]:
    """What every rule says of every Fluent Bit."""
    return [Judged(r.id, a.subject, outcome) for r in RULES for a in setup.agents for outcome in r.check(a, setup)]
