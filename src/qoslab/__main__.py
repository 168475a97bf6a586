"""`python -m qoslab`: the command line, where the script `qoslab` is not on the path."""

import sys

from qoslab.app.main import main

if __name__ == "__main__":
    sys.exit(main())
