"""The connection to a cluster; the only place that imports ``kubernetes``.

What the rest of the program knows of it is the protocol in :mod:`workbench.kube.api`, which needs no client; what
imports ``kubernetes`` is loaded when a connection is made.
"""
