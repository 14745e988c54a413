"""Which controller serves an Ingress, whether it is in the source, and what stands in front of its backends."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from workbench.inventory.image_names import without_version
from workbench.inventory.inventory import IndexOf, Inventory
from workbench.inventory.network_objects import Route
from workbench.inventory.objects import Ingress, IngressClass
from workbench.inventory.pods import ContainerInstance, PodInstance

CLASS_ANNOTATION = "kubernetes.io/ingress.class"
DEFAULT_CLASS = "ingressclass.kubernetes.io/is-default-class"

NGINX = "k8s.io/ingress-nginx"
ALB = "ingress.k8s.aws/alb"
GCE = "k8s.io/ingress-gce"
APPLICATION_GATEWAY = "azure/application-gateway"
TRAEFIK = "traefik.io/ingress-controller"
OPENSHIFT = "openshift.io/ingress-to-route"
"""What OpenShift's routers serve, as Routes."""
NGINX_GATEWAY = "gateway.nginx.org/nginx-gateway-controller"

ROUTER_LABEL = "ingresscontroller.operator.openshift.io/deployment-ingresscontroller"
"""The label of OpenShift's router pods; its value is the router's name."""

_IMAGES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), controller)
    for pattern, controller in (
        (r"ingress-nginx/controller|nginx-ingress-controller|ingress-nginx-controller", NGINX),
        (r"(^|/)nginx/nginx-ingress|nginx-ic/", "nginx.org/ingress-controller"),
        (r"(^|/)traefik([:@]|$)", TRAEFIK),
        (r"haproxytech/kubernetes-ingress", "haproxy.org/ingress-controller/haproxy"),
        (r"haproxy-ingress([:@]|$)", "haproxy-ingress.github.io/controller"),
        (r"projectcontour/contour", "projectcontour.io/ingress-controller"),
        (r"kong/kubernetes-ingress-controller|(^|/)kong([:@]|$)", "ingress-controllers.konghq.com/kong"),
        (r"aws-load-balancer-controller", ALB),
        (r"application-gateway/kubernetes-ingress", APPLICATION_GATEWAY),
        (r"nginx-gateway-fabric|nginx-kubernetes-gateway", NGINX_GATEWAY),
        (r"haproxy-router([:@]|$)", OPENSHIFT),
        (r"istio/pilot", "istio.io/ingress-controller"),
        (r"cilium/cilium([:@]|$)", "cilium.io/ingress-controller"),
    )
)
"""The images of controllers, by a part of the reference, and the controller name that they serve by default."""

_CONVENTIONAL = {
    "nginx": NGINX,
    "traefik": TRAEFIK,
    "haproxy": "haproxy.org/ingress-controller/haproxy",
    "contour": "projectcontour.io/ingress-controller",
    "kong": "ingress-controllers.konghq.com/kong",
    "alb": ALB,
    "gce": GCE,
    "gce-internal": GCE,
    "istio": "istio.io/ingress-controller",
    "cilium": "cilium.io/ingress-controller",
    "azure-application-gateway": APPLICATION_GATEWAY,
    "openshift-default": OPENSHIFT,
}
"""The classes whose name, without an IngressClass, says which controller is meant."""

CLOUD = frozenset({ALB, GCE, APPLICATION_GATEWAY})
"""Controllers that have a load balancer of the cloud send the traffic: their own pods take none."""

SPLIT = frozenset(
    {
        "projectcontour.io/ingress-controller",
        "ingress-controllers.konghq.com/kong",
        "istio.io/ingress-controller",
        "cilium.io/ingress-controller",
    }
)
"""Controllers whose proxies may be other pods, so that an unexposed controller proves nothing."""

_CLASS_FLAGS = ("--ingress-class", "--controller-class", "--providers.kubernetesingress.ingressclass")

PROTECTION = re.compile(
    r"""^(
      nginx\.ingress\.kubernetes\.io/(auth-(type|url|tls-secret)|(white|allow)list-source-range)
    | traefik\.ingress\.kubernetes\.io/router\.middlewares
    | haproxy\.org/(auth-type|whitelist|allow-list)
    | alb\.ingress\.kubernetes\.io/(auth-type|inbound-cidrs)
    | haproxy\.router\.openshift\.io/ip_(white|allow)list
    )$""",
    re.VERBOSE,
)
"""Annotations that put authentication or an allow-list in front of a backend."""

_OPEN_VALUES = frozenset({"", "none", "0.0.0.0/0", "0.0.0.0/0,::/0", "0.0.0.0/0, ::/0"})


@lru_cache(maxsize=4096)
def _image_controller(image: str) -> str | None:
    return next((controller for pattern, controller in _IMAGES if pattern.search(image)), None)


def _controller_keys(container: ContainerInstance) -> Iterable[str]:
    spec = container.spec
    found: dict[str, None] = {}
    named = False
    if spec.args or spec.command:
        words = [*(spec.command or ()), *(spec.args or ())]
        for at, word in enumerate(words):
            if not word.startswith("-"):
                continue
            flag, equals, value = word.partition("=")
            flag = flag.lower()
            if flag in _CLASS_FLAGS:
                value = value if equals else (words[at + 1] if at + 1 < len(words) else "")
                if flag == "--controller-class":
                    named = True
                    found[value] = None
                elif value:
                    found[f"class:{value}"] = None
    controller = _image_controller(without_version(spec.image or ""))
    if controller is not None and not named:
        found[controller] = None
    return found


CONTROLLERS: IndexOf[str, ContainerInstance] = IndexOf(
    "ingress controllers", "containers", _controller_keys, of_replicas=True
)
"""The containers that serve a controller name, or ``class:NAME`` where their arguments name the class."""


def _router_keys(pod: PodInstance) -> Iterable[str]:
    router = pod.labels.get(ROUTER_LABEL)
    return (OPENSHIFT, f"router:{router}") if router else ()


ROUTERS: IndexOf[str, PodInstance] = IndexOf("routers of OpenShift", "pods", _router_keys, of_replicas=True)
"""The pods of a router, by ``router:NAME``."""


def serving_namespaces(view: Inventory) -> set[str]:
    """The namespaces of the pods of controllers."""
    index, routers = view.index(CONTROLLERS), view.index(ROUTERS)
    pods = [container.pod for key in index.keys() for container in index[key]]  # noqa: SIM118 - an index
    return {pod.namespace for pod in (*pods, *routers[OPENSHIFT])}


def ingress_class(view: Inventory, ingress: Ingress) -> tuple[str | None, IngressClass | None]:
    """The class of an Ingress, by field, annotation or default, and its object if it was read."""
    name = ingress.spec.ingress_class_name if ingress.spec else None
    if not name:
        name = (ingress.metadata.annotations or {}).get(CLASS_ANNOTATION)
    if name:
        return name, view.get(IngressClass, name)
    for candidate in view.all(IngressClass):
        if (candidate.metadata.annotations or {}).get(DEFAULT_CLASS) == "true":
            return candidate.name, candidate
    return None, None


def controller_name(name: str | None, found: IngressClass | None) -> str | None:
    """The controller of a class: as its object says, else as the class's name means by convention."""
    if found is not None and found.spec is not None and found.spec.controller:
        return found.spec.controller
    return _CONVENTIONAL.get(name or "")


def controllers(view: Inventory, name: str | None, controller: str | None) -> list[ContainerInstance]:
    """The running containers that serve a class."""
    index = view.index(CONTROLLERS)
    found = {item.id: item for item in index[controller]} if controller else {}
    for pod in view.index(ROUTERS)[controller] if controller else ():
        found.update((item.id, item) for item in pod.containers)
    if name:
        for item in index[f"class:{name}"]:
            found.setdefault(item.id, item)
    return list(found.values())


def protections(obj: Ingress | Route) -> list[str]:
    """The annotations that put authentication or an allow-list in front of the backends."""
    return [
        key
        for key, value in (obj.metadata.annotations or {}).items()
        if PROTECTION.match(key) and (value or "").strip().lower() not in _OPEN_VALUES
    ]
