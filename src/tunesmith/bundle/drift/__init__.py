"""What a bundle's rows and answers look like, and whether those of today still do."""
