"""A causal model writes several texts at once, token by token; texts join and leave between two tokens.

    add(prompt) -> waiting -> prefill, in chunks -> a row of the batch -> a token a step -> finish, or drop

``continuous.py`` has the way, and ``network.py`` what it asks of what computes. Of these there are two: ``decoder.py``,
a model of transformers (``llama.py`` or ``any_model.py`` over ``memory.py``), and ``graph.py``, an ONNX graph without
torch. ``rows.py`` knows what was computed of each text; ``choose.py`` which token comes next; ``pieces.py`` how tokens
become text that can be shown already.
"""
