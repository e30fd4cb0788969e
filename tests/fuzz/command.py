"""`python -m fuzz.command ARGUMENTS` is `avbench ARGUMENTS`, with the memory limit of the fuzzer."""

from __future__ import annotations

from avbench.preprocessing.cli.main import main
from fuzz.worker import limit_memory

if __name__ == "__main__":
    limit_memory()
    main()
