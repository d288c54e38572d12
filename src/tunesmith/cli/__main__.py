"""``python -m tunesmith.cli`` is ``tunesmith``."""

import sys

from tunesmith.cli import main

sys.exit(main())
