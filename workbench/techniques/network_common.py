"""What the techniques have in common that start at containers and go through the network."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence

from workbench.inventory.inventory import PODS_BY_NAMESPACE, Inventory
from workbench.inventory.pods import PodInstance
from workbench.techniques.api import Blocked
from workbench.techniques.many import Record, RecordTechnique

FAMILY = "network"


class FromContainers(RecordTechnique):
    """A technique whose edges start at containers, in buckets by namespace."""

    def subjects(self, view: Inventory) -> Iterable[str]:
        return list(view.index(PODS_BY_NAMESPACE).keys())

    def records(self, view: Inventory, subjects: Iterable[str]) -> Iterator[Record | Blocked]:
        if self.pointless(view):
            return
        pods = view.index(PODS_BY_NAMESPACE)
        for subject in subjects:
            for pod in self.among(view, pods[subject]):
                if pod.containers:
                    yield from self.of_pod(view, pod)

    def pointless(self, view: Inventory) -> bool:
        """Whether no container has such a step, whatever it is."""
        return False

    def among(self, view: Inventory, pods: Sequence[PodInstance]) -> Iterable[PodInstance]:
        """Those of the pods of a namespace that may have such a step."""
        return pods

    @abstractmethod
    def of_pod(self, view: Inventory, pod: PodInstance) -> Iterator[Record | Blocked]:
        """The edges of the containers of a pod."""
