"""``python -m processors.cli``: how the supervisor starts a role with its own interpreter."""

from processors.cli import main

main()
