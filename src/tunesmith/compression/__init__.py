"""A model made smaller: torch and transformers in, torch and transformers out."""
