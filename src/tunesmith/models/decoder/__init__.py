"""A causal model writes several texts at once, token by token; texts join and leave between two tokens.

    add(prompt) -> waiting -> prefill, in chunks -> a row of the batch -> a token a step -> finish, or drop

``decoder.py`` has the way; ``rows.py`` and ``memory.py`` what was computed of each text; ``network.py`` what computes;
``choose.py`` which token comes next; ``pieces.py`` how tokens become text that can be shown already.
"""
