package main

import (
	"fmt"
	"time"

	"github.com/spf13/pflag"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/shmkeeper/shmkeeper/internal/cluster"
	"github.com/shmkeeper/shmkeeper/internal/usage/kubelet"
	"github.com/shmkeeper/shmkeeper/internal/usage/monitor"
	"github.com/shmkeeper/shmkeeper/internal/usage/prometheus"
)

// usageOptions are the flags that say whether and how volumes are measured.
type usageOptions struct {
	Enabled       bool
	Interval      time.Duration
	MaxVolumes    int
	KubeletCAFile string
	InsecureTLS   bool
	PrometheusURL string
}

func (o *usageOptions) addFlags(f *pflag.FlagSet) {
	f.BoolVar(&o.Enabled, "usage", false, "measure how full the Memory emptyDirs at the mount paths of the policies are, and when they fill: metrics, and figures in the status of the policies. The leader asks the kubelets, which needs the rights of manifests/usage")
	f.DurationVar(&o.Interval, "usage-interval", time.Minute, "how often volumes are measured; a kubelet looks at them once a minute by default. For --usage, like the next four")
	f.IntVar(&o.MaxVolumes, "usage-max-volumes", 2000, "the most volumes that are measured, each of which has up to eight series of metrics and 10 KiB of memory")
	f.StringVar(&o.KubeletCAFile, "usage-kubelet-ca-file", "", "file with the CA of the kubelets' serving certificates, in PEM; empty for the CA of the cluster")
	f.BoolVar(&o.InsecureTLS, "usage-kubelet-insecure-tls", false, "take any certificate of a kubelet. Anyone who can answer in its place then gets the server's token: rather have the kubelets' certificates signed")
	f.StringVar(&o.PrometheusURL, "usage-prometheus-url", "", "a Prometheus that is asked in place of the kubelets, such as http://prometheus.monitoring:9090; it must scrape node_exporter's figures of the kubelet's tmpfs mounts")
}

// validate returns what is wrong with the flags.
func (o *usageOptions) validate() (errs []error) {
	wrong := func(flag, value, remedy string) {
		errs = append(errs, fmt.Errorf("--%s: %q %s", flag, value, remedy))
	}
	if o.Interval < time.Second || o.Interval > time.Hour {
		wrong("usage-interval", o.Interval.String(), "is out of range: write a duration from 1s to 1h")
	}
	if o.MaxVolumes < 1 || o.MaxVolumes > 100_000 {
		wrong("usage-max-volumes", fmt.Sprint(o.MaxVolumes), "is out of range: write a number from 1 to 100000")
	}
	if o.InsecureTLS && o.KubeletCAFile != "" {
		wrong("usage-kubelet-ca-file", o.KubeletCAFile, "has no effect with --usage-kubelet-insecure-tls: leave one of the two out")
	} else if _, err := kubelet.New(&rest.Config{}, kubelet.Options{CAFile: o.KubeletCAFile}); err != nil {
		wrong("usage-kubelet-ca-file", o.KubeletCAFile, "is not a file with certificates in PEM: name one with the CA that signs the kubelets' certificates")
	}
	if o.PrometheusURL != "" {
		if _, err := prometheus.New(o.PrometheusURL, prometheus.Options{}); err != nil {
			errs = append(errs, fmt.Errorf("--usage-prometheus-url: %w", err))
		}
		if o.InsecureTLS || o.KubeletCAFile != "" {
			wrong("usage-prometheus-url", o.PrometheusURL, "is asked in place of the kubelets, whose flags have no effect: leave them out")
		}
	}
	return errs
}

// usagePermissions returns what measuring volumes needs.
func usagePermissions(o *usageOptions) []permission {
	if !o.Enabled {
		return nil
	}
	out := []permission{{resource: "pods", verbs: []string{"list"}}}
	if o.PrometheusURL == "" {
		out = append(out,
			permission{resource: "nodes", verbs: []string{"list"}},
			permission{resource: "nodes", subresource: "stats", verbs: []string{"get"}},
		)
	}
	return out
}

// addUsage has the manager measure volumes while it leads.
func addUsage(mgr manager.Manager, config *rest.Config, o *usageOptions, view *cluster.View, metrics *monitor.Metrics) error {
	if !o.Enabled {
		return nil
	}
	out := monitor.Options{
		Reader: mgr.GetAPIReader(), Status: mgr.GetClient(), View: view, Interval: o.Interval, MaxVolumes: o.MaxVolumes,
		Metrics: metrics, Log: ctrl.Log.WithName("usage"),
	}
	var err error
	if o.PrometheusURL != "" {
		var p *prometheus.Reader
		p, err = prometheus.New(o.PrometheusURL, prometheus.Options{})
		out.Prometheus = p
	} else {
		var k *kubelet.Reader
		k, err = kubelet.New(config, kubelet.Options{CAFile: o.KubeletCAFile, InsecureTLS: o.InsecureTLS})
		out.Kubelets = k
	}
	if err != nil {
		return fmt.Errorf("measure volumes: %w", err)
	}
	return mgr.Add(monitor.New(out))
}
