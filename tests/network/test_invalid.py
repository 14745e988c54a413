"""Policies that the API does not take are refused with their field, and never taken for an answer."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from tests.network.worlds import TRIO, asked, network

KINDS = {
    "np": ("networking.k8s.io/v1", "NetworkPolicy"),
    "anp": ("policy.networking.k8s.io/v1alpha1", "AdminNetworkPolicy"),
    "banp": ("policy.networking.k8s.io/v1alpha1", "BaselineAdminNetworkPolicy"),
    "cnp": ("policy.networking.k8s.io/v1alpha2", "ClusterNetworkPolicy"),
    "cilium": ("cilium.io/v2", "CiliumNetworkPolicy"),
    "calico": ("projectcalico.org/v3", "GlobalNetworkPolicy"),
}


def policy(kind: str, spec: str) -> dict[str, Any]:
    version, name = KINDS[kind]
    metadata = {"name": "default", **({"namespace": "shop"} if kind in ("np", "cilium") else {})}
    return {"apiVersion": version, "kind": name, "metadata": metadata, "spec": yaml.safe_load(spec)}


ANP = "{priority: 1, subject: {namespaces: {}}, ingress: [{action: Allow, from: [{namespaces: {}}], ports: [PORT]}]}"
CNP = "{tier: Admin, priority: 1, subject: {namespaces: {}}, ingress: [RULE]}"


@pytest.mark.parametrize(
    ("kind", "spec", "field"),
    [
        ("np", "{podSelector: {matchLabels: {'a b': x}}}", "spec.podSelector.matchLabels[a b]"),
        ("np", "{podSelector: {matchLabels: {a: 'x y'}}}", "spec.podSelector.matchLabels[a]"),
        (
            "np",
            "{podSelector: {matchExpressions: [{key: a, operator: In}]}}",
            "spec.podSelector.matchExpressions[0].values",
        ),
        (
            "np",
            "{podSelector: {matchExpressions: [{key: a, operator: is}]}}",
            "spec.podSelector.matchExpressions[0].operator",
        ),
        ("np", "{podSelector: {}, policyTypes: [Inward]}", "spec.policyTypes[0]"),
        ("np", "{podSelector: {}, ingress: [{from: [{}]}]}", "spec.ingress[0].from[0]"),
        (
            "np",
            "{podSelector: {}, egress: [{to: [{ipBlock: {cidr: 10.0.0.0/33}}]}]}",
            "spec.egress[0].to[0].ipBlock.cidr",
        ),
        ("np", "{podSelector: {}, egress: [{to: [{ipBlock: {cidr: 10.0.0.1}}]}]}", "spec.egress[0].to[0].ipBlock.cidr"),
        (
            "np",
            "{podSelector: {}, egress: [{to: [{ipBlock: {cidr: 10.0.0.0/8, except: [11.0.0.0/8]}}]}]}",
            "spec.egress[0].to[0].ipBlock.except[0]",
        ),
        (
            "np",
            "{podSelector: {}, ingress: [{from: [{podSelector: {}, ipBlock: {cidr: 10.0.0.0/8}}]}]}",
            "spec.ingress[0].from[0].ipBlock",
        ),
        ("np", "{podSelector: {}, ingress: [{ports: [{port: 0}]}]}", "spec.ingress[0].ports[0].port"),
        ("np", "{podSelector: {}, ingress: [{ports: [{port: UP}]}]}", "spec.ingress[0].ports[0].port"),
        ("np", "{podSelector: {}, ingress: [{ports: [{port: 90, endPort: 80}]}]}", "spec.ingress[0].ports[0].endPort"),
        ("np", "{podSelector: {}, ingress: [{ports: [{port: web, endPort: 80}]}]}", "spec.ingress[0].ports[0].endPort"),
        ("np", "{podSelector: {}, ingress: [{ports: [{endPort: 80}]}]}", "spec.ingress[0].ports[0].endPort"),
        ("np", "{podSelector: {}, ingress: [{ports: [{protocol: ICMP}]}]}", "spec.ingress[0].ports[0].protocol"),
        ("anp", "{priority: 1001, subject: {namespaces: {}}}", "spec.priority"),
        ("anp", "{subject: {namespaces: {}}}", "spec.priority"),
        ("anp", "{priority: 1}", "spec.subject"),
        ("anp", "{priority: 1, subject: {namespaces: {}, pods: {}}}", "spec.subject"),
        ("anp", ANP.replace("action: Allow", "action: Accept").replace("PORT", ""), "spec.ingress[0].action"),
        ("anp", ANP.replace("from: [{namespaces: {}}]", "from: []").replace("PORT", ""), "spec.ingress[0].from"),
        ("anp", ANP.replace("{namespaces: {}}]", "{}]").replace("PORT", ""), "spec.ingress[0].from[0]"),
        (
            "anp",
            ANP.replace("[{namespaces: {}}]", "[{networks: [10.0.0.0/8]}]").replace("PORT", ""),
            "spec.ingress[0].from[0].networks",
        ),
        ("anp", ANP.replace("PORT", "{portNumber: {port: 1}, namedPort: a}"), "spec.ingress[0].ports[0]"),
        ("anp", ANP.replace("PORT", "{portRange: {start: 9, end: 8}}"), "spec.ingress[0].ports[0].portRange.end"),
        (
            "banp",
            "{subject: {namespaces: {}}, ingress: [{action: Pass, from: [{namespaces: {}}]}]}",
            "spec.ingress[0].action",
        ),
        ("cnp", "{tier: Middle, priority: 1, subject: {namespaces: {}}}", "spec.tier"),
        ("cnp", CNP.replace("RULE", "{action: Allow, from: [{namespaces: {}}]}"), "spec.ingress[0].action"),
        (
            "cnp",
            CNP.replace("RULE", "{action: Deny, from: [{namespaces: {}}], protocols: [{tcp: {}, udp: {}}]}"),
            "spec.ingress[0].protocols[0]",
        ),
        ("cilium", "{}", "spec.endpointSelector"),
        ("cilium", "{endpointSelector: {}, ingress: [{fromEntities: [word]}]}", "spec.ingress[0].fromEntities[0]"),
        ("cilium", "{endpointSelector: {}, egress: [{toCIDR: [x]}]}", "spec.egress[0].toCIDR[0]"),
        ("calico", "{selector: 'a = b'}", "spec.selector"),
        ("calico", "{selector: 'a == '}", "spec.selector"),
        ("calico", "{selector: '((a == \"b\")'}", "spec.selector"),
        ("calico", "{types: [Ingress], ingress: [{action: Drop}]}", "spec.ingress[0].action"),
        (
            "calico",
            "{types: [Ingress], ingress: [{action: Allow, source: {nets: [x]}}]}",
            "spec.ingress[0].source.nets[0]",
        ),
    ],
)
def test_what_is_wrong_is_named_by_its_field(kind: str, spec: str, field: str) -> None:
    net = network(TRIO, [policy(kind, spec)])
    assert field in [fault.field for fault in net.parsed.faults]
    assert asked(net, "ops/tool", "shop/db") == "unknown", "it may decide anything about the pods that it selects"


def test_a_baseline_policy_has_to_be_called_default() -> None:
    named = policy("banp", "{subject: {namespaces: {}}}")
    named["metadata"] = {"name": "other"}
    assert [fault.field for fault in network(TRIO, [named]).parsed.faults] == ["metadata.name"]


def test_bits_beyond_the_prefix_do_not_count() -> None:
    """The API server takes 10.1.2.3/8 and means 10.0.0.0/8."""
    net = network(TRIO, [policy("np", "{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 10.1.2.3/8}}]}]}")])
    assert not net.parsed.faults
    assert asked(net, "10.200.0.1", "shop/db") == "yes"
