from tests.support.indexing.fixtures import account, library_tables, other_account, registered

__all__ = ["account", "library_tables", "other_account", "registered"]
