"""`python -m cupel` is the command `cupel`."""

from cupel.cli import main

raise SystemExit(main())
