"""`python -m awaitguard`."""

from awaitguard.cli import main

if __name__ == "__main__":
    main()
