package manifests_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// Anyone can reach the webhooks, namespaces with a label can reach the metrics, and nobody can reach another port. The server
// can reach an API server on the ports that clusters have, and DNS; a leader that measures volumes can reach kubelets too.
func TestNetworkPolicies_OpenNoOtherPort(t *testing.T) {
	tcp, udp := corev1.ProtocolTCP, corev1.ProtocolUDP
	named := func(name string) []networkingv1.NetworkPolicyPort {
		port := intstr.FromString(name)
		return []networkingv1.NetworkPolicyPort{{Protocol: &tcp, Port: &port}}
	}
	number := func(protocol *corev1.Protocol, n int32) networkingv1.NetworkPolicyPort {
		port := intstr.FromInt32(n)
		return networkingv1.NetworkPolicyPort{Protocol: protocol, Port: &port}
	}
	egress := func(ports ...networkingv1.NetworkPolicyPort) networkingv1.NetworkPolicyEgressRule {
		return networkingv1.NetworkPolicyEgressRule{Ports: ports}
	}
	server := metav1.LabelSelector{MatchLabels: map[string]string{"app.kubernetes.io/name": "shmkeeper"}}
	scrapers := &metav1.LabelSelector{MatchLabels: map[string]string{"metrics": "enabled"}}
	for file, want := range map[string]networkingv1.NetworkPolicySpec{
		"base/networkpolicy.yaml": {
			PodSelector: server, PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeIngress},
			Ingress: []networkingv1.NetworkPolicyIngressRule{
				{Ports: named("webhook")},
				{From: []networkingv1.NetworkPolicyPeer{{NamespaceSelector: scrapers}}, Ports: named("metrics")},
			},
		},
		"base/networkpolicy-egress.yaml": {
			PodSelector: server, PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeEgress},
			Egress: []networkingv1.NetworkPolicyEgressRule{
				egress(number(&tcp, 443), number(&tcp, 6443), number(&tcp, 8443)), egress(number(&udp, 53), number(&tcp, 53)),
			},
		},
		"usage/networkpolicy.yaml": {
			PodSelector: server, PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeEgress},
			Egress: []networkingv1.NetworkPolicyEgressRule{egress(number(&tcp, 10250))},
		},
	} {
		if diff := cmp.Diff(want, object[networkingv1.NetworkPolicy](t, file).Spec); diff != "" {
			t.Errorf("%s (-want +got):\n%s", file, diff)
		}
	}
}
