"""The Enterprise Tester dialect, which is our own API as well."""
