"""HTTP: what all dialects share, and one package per dialect."""
