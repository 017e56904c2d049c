"""`python -m playhead`: the command line."""

import sys

from playhead.cli import main

sys.exit(main())
