"""``python -m rxvoice``."""

from rxvoice.cli import main

raise SystemExit(main())
