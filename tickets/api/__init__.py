"""The Enterprise Tester resources of test results (contract, sections 3.1, 3.2 and 3.5)."""
