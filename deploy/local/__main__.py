"""`python -m deploy.local`: what `./caravel` becomes once everything is installed."""

from deploy.local.commands.cli import main

if __name__ == "__main__":
    main()
