"""``python -m docs.spec operators``."""

import sys

from docs.spec.pages import main

sys.exit(main())
