"""Who scores answers for the check ``judge``: a bundle, or a chat service."""
