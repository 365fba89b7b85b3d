"""Long trials, each one command, not part of pytest: ``python -m tests.soak.NAME --help``, from the repository's root.

What they found to hold, with figures and seeds, is in docs/reliability.md.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))  # the tests' own modules, as pytest has them
