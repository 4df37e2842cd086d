"""Task types of test results: one file each."""
