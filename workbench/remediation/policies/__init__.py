"""Network policies made from the flows that objects declare (``remediation.md`` section 2, "NetworkPolicy").

``workloads`` groups pods by what owns them, ``targets`` says what Services lead to, ``surroundings`` knows DNS, the API
server, nodes and ingress controllers; ``flows`` gathers who talks to whom, ``synthesis`` writes one policy for each
workload, ``proof`` evaluates it with the engine of :mod:`workbench.network`, and ``fixes`` makes the records.
"""
