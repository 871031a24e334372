"""The layer that all functions of WeConnect share."""

import gc

# A cold start creates some hundred thousand objects that stay alive; collecting garbage would take a tenth of its time.
gc.set_threshold(200_000, 10, 10)
