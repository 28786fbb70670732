"""``python -m facetell``: the command line."""

from __future__ import annotations

from facetell.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
