"""How a model is trained: one loop, and what plugs into its positions."""
