"""One module per kind of entity."""
