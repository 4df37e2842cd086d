from tests.support.uploads import file_store

__all__ = ["file_store"]
