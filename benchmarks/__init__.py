"""The project's own benchmark: ``python -m benchmarks``."""
