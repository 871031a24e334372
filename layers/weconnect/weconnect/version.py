"""The version of WeConnect. Written by `make api` from pyproject.toml."""

VERSION = "0.1.0"
