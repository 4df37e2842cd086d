from tests.support.indexing.fixtures import account, library_tables, registered

__all__ = ["account", "library_tables", "registered"]
