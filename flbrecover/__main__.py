"""``python -m flbrecover``."""

from flbrecover.cli import main

main()
