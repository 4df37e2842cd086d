"""The resources of search."""
