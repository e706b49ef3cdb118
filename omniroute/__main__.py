"""`python -m omniroute` is `omniroute`."""

import sys

from omniroute.cli import main

if __name__ == "__main__":
    sys.exit(main())
