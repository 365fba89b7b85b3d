"""Benchmarks against what else could do the work. Not part of pytest: see docs/performance.md.

    python -m tests.benchmarks

It works in a folder of its own (``--data``), where peers, the server's data and generated incidents are kept for the
next run.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # chunk_builder: the tests' own builder of buffer files
