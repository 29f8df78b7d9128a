package envtest

import (
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// ServiceAddress is the address of the Service "kubernetes": the first of serviceRange.
const (
	ServiceAddress = "10.96.0.1"
	serviceRange   = "10.96.0.0/16"
)

// layout says where the files of one control plane are, and from that how its programs are called.
type layout struct {
	dir    string // keys, data and configuration
	logs   string
	audit  string // the audit log
	egress string // the socket of the service network's proxy
}

// server is a command that answers at a URL.
type server struct {
	command
	url string
}

func (l layout) file(name string) string { return filepath.Join(l.dir, name) }

func (l layout) command(name, path string, args []string) command {
	return command{name: name, path: path, args: args, log: filepath.Join(l.logs, name+".log")}
}

func (l layout) etcd(programs Programs) (server, error) {
	port, err := freePort()
	if err != nil {
		return server{}, err
	}
	url := "http://" + net.JoinHostPort(loopback, port)
	return server{url: url, command: l.command("etcd", programs.Etcd, []string{
		"--data-dir=" + l.file("etcd"),
		"--listen-client-urls=" + url,
		"--advertise-client-urls=" + url,
		// There is no peer; any free port will do.
		"--listen-peer-urls=http://" + net.JoinHostPort(loopback, "0"),
		// The data need not outlive the machine.
		"--unsafe-no-fsync",
		"--log-level=warn",
	})}, nil
}

func (l layout) apiServer(programs Programs, etcd string, opts Options) (server, error) {
	address, port := loopback, "443"
	if opts.WithNodes {
		address = "0.0.0.0"
	} else {
		var err error
		if port, err = freePort(); err != nil {
			return server{}, err
		}
	}
	policy := opts.AuditPolicy
	if policy == "" {
		policy = AuditMetadata
	}
	for name, text := range map[string]string{"audit-policy.yaml": policy, "egress.yaml": egressConfiguration(l.egress)} {
		if err := os.WriteFile(l.file(name), []byte(text), 0o600); err != nil {
			return server{}, fmt.Errorf("the configuration of kube-apiserver: %w; make room in TMPDIR", err)
		}
	}

	args := []string{
		"--etcd-servers=" + etcd,
		"--bind-address=" + address,
		"--advertise-address=" + loopback,
		"--secure-port=" + port,
		// The Endpoints of the Service "kubernetes" may not be a loopback address.
		"--endpoint-reconciler-type=none",
		"--tls-cert-file=" + l.file("apiserver.crt"),
		"--tls-private-key-file=" + l.file("apiserver.key"),
		"--client-ca-file=" + l.file("ca.crt"),
		"--authorization-mode=Node,RBAC",
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file=" + l.file("sa.key"),
		"--service-account-signing-key-file=" + l.file("sa.key"),
		"--service-cluster-ip-range=" + serviceRange,
		// Whether a Pod may be privileged is for admission to say, as in a cluster.
		"--allow-privileged=true",
		"--audit-policy-file=" + l.file("audit-policy.yaml"),
		"--audit-log-path=" + l.audit,
		// An event is written before the next request of the same connection is read.
		"--audit-log-mode=blocking",
		// In megabytes: it stays one file.
		"--audit-log-maxsize=1000000",
	}
	if opts.WithNodes {
		args = append(args,
			// To a Pod of a Service, as nothing forwards the Service's address.
			"--enable-aggregator-routing=true",
			"--kubelet-client-certificate="+l.file("kubelet-client.crt"),
			"--kubelet-client-key="+l.file("kubelet-client.key"),
			"--kubelet-preferred-address-types=InternalIP",
		)
	} else {
		// Nothing ever connects to the address of a Service.
		args = append(args, "--egress-selector-config-file="+l.file("egress.yaml"))
	}
	if opts.WithoutControllerManager {
		args = append(args, "--disable-admission-plugins=ServiceAccount")
	}
	args = append(args, featureGates(opts)...)
	return server{
		url:     "https://" + net.JoinHostPort(loopback, port),
		command: l.command("kube-apiserver", programs.APIServer, override(args, opts.APIServerArgs)),
	}, nil
}

// controllers are those that a test could miss: workloads, quota, service accounts, and what deleting needs.
var controllers = []string{
	"clusterrole-aggregation-controller",
	"cronjob-controller",
	"daemonset-controller",
	"deployment-controller",
	"disruption-controller",
	"endpointslice-controller",
	"garbage-collector-controller",
	"job-controller",
	"namespace-controller",
	"replicaset-controller",
	"replicationcontroller-controller",
	"resourcequota-controller",
	"root-ca-certificate-publisher-controller",
	"serviceaccount-controller",
	"statefulset-controller",
	"ttl-after-finished-controller",
	"validatingadmissionpolicy-status-controller",
}

// nodeControllers are those that a test with nodes needs besides.
var nodeControllers = []string{"node-lifecycle-controller", "pod-garbage-collector-controller", "taint-eviction-controller"}

func (l layout) managerKubeconfig() string { return l.file("controller-manager.kubeconfig") }

func (l layout) controllerManager(programs Programs, opts Options) command {
	wanted := controllers
	if opts.WithNodes {
		wanted = slices.Concat(controllers, nodeControllers)
	}
	args := []string{
		"--kubeconfig=" + l.managerKubeconfig(),
		"--controllers=" + strings.Join(wanted, ","),
		// Each controller is its own user, as in a cluster.
		"--use-service-account-credentials=true",
		"--root-ca-file=" + l.file("ca.crt"),
		"--leader-elect=false",
		// It serves nothing that a test needs.
		"--secure-port=0",
		"--kube-api-qps=500",
		"--kube-api-burst=1000",
	}
	return l.command("kube-controller-manager", programs.ControllerManager, append(args, featureGates(opts)...))
}

// featureGates returns the flag that sets them, if there are any.
func featureGates(opts Options) []string {
	var gates []string
	for _, name := range slices.Sorted(maps.Keys(opts.FeatureGates)) {
		gates = append(gates, fmt.Sprintf("%s=%t", name, opts.FeatureGates[name]))
	}
	if len(gates) == 0 {
		return nil
	}
	return []string{"--feature-gates=" + strings.Join(gates, ",")}
}

// override returns the flags of args that are not set again in more, and then more: flags that may be given several times would add up.
func override(args, more []string) []string {
	name := func(arg string) string {
		name, _, _ := strings.Cut(strings.TrimLeft(arg, "-"), "=")
		return name
	}
	set := map[string]bool{}
	for _, arg := range more {
		set[name(arg)] = true
	}
	kept := slices.DeleteFunc(slices.Clone(args), func(arg string) bool { return set[name(arg)] })
	return append(kept, more...)
}
