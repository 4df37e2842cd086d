"""
Reading uploaded test results: JUnit XML, alone or many in a zip.

    upload.reports(file)     one uploaded file -> the reports in it, as chunks
    junit.JUnitReader        chunks of one report -> result nodes, in constant memory
    totals.Totals            what a run counts
    census.count_cases       how many test cases are coming, quickly

Nothing here knows the database, HTTP or the core: plain Python over bytes.
"""
