"""Test results: projects, packages, automated tests, their runs and result nodes."""
