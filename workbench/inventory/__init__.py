"""The typed objects we reason about: evidence, coverage gaps, indexes, and changes laid over them."""

from workbench.inventory.evidence import Evidence, Gap, Origin, Problem
from workbench.inventory.inventory import Inventory, ServerVersion
from workbench.inventory.pods import ContainerInstance, PodInstance

__all__ = ["ContainerInstance", "Evidence", "Gap", "Inventory", "Origin", "PodInstance", "Problem", "ServerVersion"]
