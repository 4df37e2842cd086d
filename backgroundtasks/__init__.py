"""The core: durable background tasks, their handlers, their APIs."""

VERSION = "0.1.0"
