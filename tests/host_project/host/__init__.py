"""A project of its own; its app comes from `docs/howto/write_a_handler.md`."""
