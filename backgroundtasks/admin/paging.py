"""Pages of long lists, without counting all of them."""

from __future__ import annotations

from typing import Any

from django.core.paginator import Paginator
from django.utils.functional import cached_property


class BoundedPaginator(Paginator):
    """Counts at most `limit` rows and pages through those; filters reach the rest."""

    limit = 10_000

    @cached_property
    def count(self) -> int:
        """Return how many rows there are, at most `limit`."""
        rows: Any = self.object_list
        return int(rows.order_by()[: self.limit].count())
