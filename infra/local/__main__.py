"""`python -m infra.local` starts the local host."""

from infra.local.host import main

main()
