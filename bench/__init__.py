"""Speed and memory, measured side by side: `make bench`, described in docs/reference/benchmarks.md."""
