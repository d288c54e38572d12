"""No test asks a network, writes into the user's own cache, or lets its threads fight."""

from __future__ import annotations

import os

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

from hypothesis import settings

settings.register_profile("tunesmith", deadline=None)  # a busy machine is no fault of the code
settings.load_profile("tunesmith")
