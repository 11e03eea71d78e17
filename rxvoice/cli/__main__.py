"""``python -m rxvoice.cli``."""

from rxvoice.cli import main

raise SystemExit(main())
