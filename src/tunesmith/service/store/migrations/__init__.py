"""How a store of any older version becomes one of this version."""
