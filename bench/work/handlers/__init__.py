"""Found by the registry: one module per task type or two."""
