"""WeConnect, the part that all functions share."""

import gc

# A cold start makes some hundred thousand objects that stay, and no garbage: looking for it is a tenth of its time.
gc.set_threshold(200_000, 10, 10)
