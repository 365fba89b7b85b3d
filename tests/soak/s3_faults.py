"""Every fault at every call of a recovery, judged by records.

    python -m tests.soak.s3_faults

See tests/faults: after each trial every record is in S3 once, nothing was removed, and each run ended with a code of
the contract and a reason. Prints what was wrong, and a table.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from cases import NAMES
from conftest import Moto  # its import sets the environment of the tests: no real account can be reached
from faults.catalog import FAULTS
from faults.incidents import CapturedIncident, Incident, SmallIncident
from faults.proxy import FaultProxy
from faults.trials import calls_of, fault_at

from soak import machine


def main() -> int:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--incident", action="append", choices=("small", *NAMES), help="default: small")
    asked.add_argument("--fault", action="append", help="only faults with this in their name")
    asked.add_argument("--every", type=int, default=1, help="only every Nth call")
    given = asked.parse_args()
    started = time.monotonic()
    print(machine.facts())
    trials = wrong = 0
    with (
        tempfile.TemporaryDirectory(prefix="faults-") as folder,
        Moto(Path(folder)) as moto,
        FaultProxy(moto.endpoint_url) as proxy,
    ):
        for name in given.incident or ["small"]:
            home = Path(folder, name)
            home.mkdir()
            s3 = moto.client
            incident: Incident = SmallIncident(home, s3) if name == "small" else CapturedIncident(name, home, s3)
            calls = calls_of(incident, proxy)
            operations = Counter(call.operation for call in calls)
            print(f"incident {name}: {len(calls)} calls: {', '.join(f'{n} {o}' for o, n in operations.most_common())}")
            for fault in FAULTS:
                if given.fault and not any(part in fault.name for part in given.fault):
                    continue
                ends: Counter[str] = Counter()
                for call in [c for c in calls if fault.fits(c.operation)][:: given.every]:
                    trial = fault_at(incident, proxy, call, fault)
                    trials += 1
                    wrong += bool(trial.wrong)
                    ends[" then ".join(map(str, trial.codes))] += 1
                    if trial.wrong:
                        print(f"WRONG: {trial.what}: {'; '.join(trial.wrong)}")
                ended = ", ".join(f"{codes}: {n}" for codes, n in sorted(ends.items()))
                print(f"  {fault.name:32} {sum(ends.values()):4} trials; exit codes {ended}", flush=True)
    print(f"{trials} trials, {wrong} wrong, in {time.monotonic() - started:.0f} s")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
