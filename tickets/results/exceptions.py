"""
What may be wrong with uploaded results; the text is for the person who uploaded them.

    ResultsUnreadable
    ├── ReportMalformed     it is not well-formed XML
    ├── ReportRefused       it is XML, but no test report, or one that could do harm
    └── ArchiveRefused      the zip is broken, empty, encrypted, a bomb …
"""


class ResultsUnreadable(Exception):
    """The uploaded results cannot be imported; trying again will not help."""

    def __init__(self, reason: str, source: str = "") -> None:
        where = f" ({source})" if source else ""
        super().__init__(f"Unable to parse results{where}: {reason}.")
        self.reason = reason
        self.source = source


class ReportMalformed(ResultsUnreadable):
    """The report is not well-formed XML, or ends too early."""


class ReportRefused(ResultsUnreadable):
    """The report is XML, but its root is no test report, or it declares entities, or is too deep."""


class ArchiveRefused(ResultsUnreadable):
    """The zip cannot be read, holds no report, or could do harm."""
