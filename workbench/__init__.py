"""workbench: a terminal audit workbench for Kubernetes."""

__version__ = "0.1.0"
