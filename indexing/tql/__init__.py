"""
TQL, the query language of `/api/search`: from text to a typed tree.

`parse(text)` gives a `Query`; whatever is wrong with the text is a `QueryInvalid` that says where.
What the names mean (which fields there are) is `indexing.search`'s business, not the language's.

Source: contract `enterprise_tester.md`, section 4.
"""

from indexing.tql.errors import QueryInvalid
from indexing.tql.parser import MAX_LENGTH, RESERVED, parse
from indexing.tql.syntax import (
    Aggregate,
    Alternative,
    Both,
    Comparison,
    Condition,
    Count,
    Field,
    Function,
    GroupBy,
    Membership,
    Negation,
    Operator,
    Order,
    Position,
    Query,
    Related,
    Value,
    Words,
)

__all__ = [
    "MAX_LENGTH",
    "RESERVED",
    "Aggregate",
    "Alternative",
    "Both",
    "Comparison",
    "Condition",
    "Count",
    "Field",
    "Function",
    "GroupBy",
    "Membership",
    "Negation",
    "Operator",
    "Order",
    "Position",
    "Query",
    "QueryInvalid",
    "Related",
    "Value",
    "Words",
    "parse",
]
