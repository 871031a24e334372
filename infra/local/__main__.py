"""`python -m infra.local` starts the local host."""

from infra.local.run import main

main()
