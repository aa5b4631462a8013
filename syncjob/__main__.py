"""python -m syncjob does what the command syncjob does."""

import sys

from syncjob.cli import main

if __name__ == "__main__":
    sys.exit(main())
