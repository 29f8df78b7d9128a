package main

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/api/validate/content"

	"github.com/shmkeeper/shmkeeper/internal/webhookconfig"
	"github.com/shmkeeper/shmkeeper/policy"
)

// The values of --cert-source.
const (
	selfManaged = "self-managed"
	directory   = "directory"
)

// Options are the flags of the server.
type Options struct {
	Kubeconfig    string
	Namespace     string
	MaxMode       string
	ImageMirrors  []string
	CertSource    string
	CertDir       string
	CADuration    time.Duration
	CertDuration  time.Duration
	CASettle      time.Duration
	CAResync      time.Duration
	WebhookHost   string
	WebhookPort   int
	ClientCAFile  string
	ClientNames   []string
	MetricsAddr   string
	ProbeAddr     string
	PprofAddr     string
	LeaderElect   bool
	AuditInterval time.Duration
	AuditOthers   bool
	Restore       bool
	FailOpen      []string
	Excluded      []string
	ShutdownDelay time.Duration
	Usage         usageOptions
	LogFormat     string
	LogLevel      string
	Version       bool
}

// AddFlags adds the flags, with their defaults.
func (o *Options) AddFlags(f *pflag.FlagSet) {
	f.StringVar(&o.Kubeconfig, "kubeconfig", "", "file with the address of the API server and the credentials; empty in a cluster")
	f.StringVar(&o.Namespace, "namespace", "shmkeeper-system", "namespace in which the server runs")
	f.StringVar(&o.MaxMode, "max-mode", "enforce", "the most that any namespace or policy can ask for: audit, warn or enforce. audit is a dry run for the whole cluster")
	f.StringSliceVar(&o.ImageMirrors, "image-mirrors", nil, "registries that copy others, as MIRROR=REPOSITORY, separated by commas or given more than once: with harbor.local/ghcr=ghcr.io an image harbor.local/ghcr/x/y counts as ghcr.io/x/y")
	f.StringVar(&o.CertSource, "cert-source", selfManaged, "where the serving certificate is from: self-managed (a CA of its own in a Secret) or directory (tls.crt and tls.key in --cert-dir, such as cert-manager writes)")
	f.StringVar(&o.CertDir, "cert-dir", "", "folder with tls.crt and tls.key, for --cert-source=directory; they are read again when they change")
	f.DurationVar(&o.CADuration, "ca-duration", 365*24*time.Hour, "how long a CA of our own is valid; it is changed after two thirds of that. For --cert-source=self-managed, like the next three")
	f.DurationVar(&o.CertDuration, "cert-duration", 7*24*time.Hour, "how long a serving certificate is valid; it is replaced after two thirds of that")
	f.DurationVar(&o.CASettle, "ca-settle", time.Minute, "how long after a new CA is published every API server is taken to know it")
	f.DurationVar(&o.CAResync, "ca-resync", 30*time.Second, "how often the Secret of the CA is read")
	f.StringVar(&o.WebhookHost, "webhook-host", "", "address on which the webhooks listen; empty for all")
	f.IntVar(&o.WebhookPort, "webhook-port", 9443, "port on which the webhooks listen")
	f.StringVar(&o.ClientCAFile, "client-ca-file", "", "file with the CA of client certificates, in PEM: the webhooks then take requests only from clients with such a certificate, which the API servers must be given; empty to take them from everyone who reaches the port. It is read again when it changes")
	f.StringSliceVar(&o.ClientNames, "client-names", nil, "names of which a client certificate must have one, as its common name or a DNS name; any if empty. For --client-ca-file")
	f.StringVar(&o.MetricsAddr, "metrics-bind-address", ":8443", "address for metrics, which are served by TLS to clients that may get them; 0 for none")
	f.StringVar(&o.ProbeAddr, "health-probe-bind-address", ":8081", "address for /healthz and /readyz; 0 for none")
	f.StringVar(&o.PprofAddr, "pprof-bind-address", "0", "address for profiles, which are served to everybody; 0 for none")
	f.BoolVar(&o.LeaderElect, "leader-elect", true, "elect the replica that writes status and keeps the webhook configurations; every replica answers requests")
	f.DurationVar(&o.AuditInterval, "audit-interval", 5*time.Minute, "how long after one scan of the running Pods the leader begins the next; it also scans at its start and when policies change. 0 for none")
	f.BoolVar(&o.AuditOthers, "audit-unlabelled", false, "scan the running Pods of namespaces without the label shmkeeper.dev/mode too")
	f.BoolVar(&o.Restore, "restore-webhooks", true, "restore a webhook configuration that was deleted, or edited so that requests no longer arrive")
	f.StringSliceVar(&o.FailOpen, "fail-open", nil, "webhooks that fail open in your webhook configurations though they ship otherwise: enforce, policies. They are restored so")
	f.StringSliceVar(&o.Excluded, "excluded-namespaces", nil, "namespaces that your webhook configurations leave out by name, beside kube-system and the server's own. They are restored so")
	o.Usage.addFlags(f)
	f.DurationVar(&o.ShutdownDelay, "shutdown-delay", 5*time.Second, "how long requests are still answered after SIGTERM, while the Service drops the replica")
	f.StringVar(&o.LogFormat, "log-format", "json", "json or text")
	f.StringVar(&o.LogLevel, "log-level", "info", "debug, info, warn or error")
	f.BoolVar(&o.Version, "version", false, "print the version and stop")
}

// Validate returns all that is wrong with the flags, each mistake with its flag.
func (o *Options) Validate(args []string) error {
	errs := o.Usage.validate()
	wrong := func(flag, value, remedy string) {
		errs = append(errs, fmt.Errorf("--%s: %q %s", flag, value, remedy))
	}
	if len(args) > 0 {
		errs = append(errs, fmt.Errorf("%q is not a flag: see --help for the flags", args[0]))
	}
	if problems := content.IsDNS1123Label(o.Namespace); len(problems) > 0 {
		wrong("namespace", o.Namespace, "is not the name of a namespace: write the one that the server runs in")
	}
	if _, err := policy.ParseMode(o.MaxMode); err != nil {
		wrong("max-mode", o.MaxMode, "is not a mode: use audit, warn or enforce")
	}
	if _, err := policy.ParseMirrors(o.ImageMirrors); err != nil {
		errs = append(errs, fmt.Errorf("--image-mirrors: %w", err))
	}
	switch o.CertSource {
	case directory:
		if o.CertDir == "" {
			wrong("cert-dir", o.CertDir, "is empty: name the folder with tls.crt and tls.key")
		}
	case selfManaged:
		if o.CertDir != "" {
			wrong("cert-dir", o.CertDir, "has no effect with --cert-source=self-managed: leave it out, or write --cert-source=directory")
		}
	default:
		wrong("cert-source", o.CertSource, "is unknown: write self-managed or directory")
	}
	if o.CertSource == selfManaged {
		if least := 6 * o.CAResync; o.CAResync <= 0 || o.CertDuration < least {
			wrong("cert-duration", o.CertDuration.String(), fmt.Sprintf("leaves no time to replace a certificate when the Secret is read every %s: write at least %s, or a smaller positive --ca-resync", o.CAResync, least))
		}
		if least := 3 * (o.CertDuration + o.CASettle + o.CAResync); o.CASettle < 0 || o.CADuration < least {
			wrong("ca-duration", o.CADuration.String(), fmt.Sprintf("leaves no time to change a CA before certificates of it outlive it: write at least %s, or a smaller --cert-duration", least))
		}
	}
	if o.WebhookHost != "" && net.ParseIP(o.WebhookHost) == nil {
		wrong("webhook-host", o.WebhookHost, "is not an IP address: write one of this machine, or leave it out")
	}
	if o.WebhookPort < 1 || o.WebhookPort > 65535 {
		wrong("webhook-port", strconv.Itoa(o.WebhookPort), "is not a port: write one from 1 to 65535")
	}
	if o.ClientCAFile == "" && len(o.ClientNames) > 0 {
		wrong("client-names", strings.Join(o.ClientNames, ","), "has no effect without --client-ca-file: name the CA that signs the API server's client certificate")
	} else if err := checkCAs(o.ClientCAFile); err != nil {
		errs = append(errs, fmt.Errorf("--client-ca-file: %w", err))
	}
	for flag, address := range map[string]string{
		"health-probe-bind-address": o.ProbeAddr, "metrics-bind-address": o.MetricsAddr, "pprof-bind-address": o.PprofAddr,
	} {
		if _, _, err := net.SplitHostPort(address); address != "0" && err != nil {
			wrong(flag, address, "is not an address: write one such as :8081 or 127.0.0.1:8081, or 0 for none")
		}
	}
	o.validateWebhooks(wrong)
	if o.ShutdownDelay < 0 || o.ShutdownDelay > time.Minute {
		wrong("shutdown-delay", o.ShutdownDelay.String(), "is out of range: write a duration from 0s to 1m")
	}
	o.validateLog(wrong)
	o.validateAudit(wrong)
	sortByText(errs)
	return errors.Join(errs...)
}

func (o *Options) validateAudit(wrong func(flag, value, remedy string)) {
	if o.AuditInterval != 0 && o.AuditInterval < time.Second {
		wrong("audit-interval", o.AuditInterval.String(), "is too short: write a duration of at least 1s, or 0 for none")
	}
	if o.AuditInterval == 0 && o.AuditOthers {
		wrong("audit-unlabelled", "true", "has no effect with --audit-interval=0: write an interval, or leave it out")
	}
}

func (o *Options) validateLog(wrong func(flag, value, remedy string)) {
	if o.LogFormat != "json" && o.LogFormat != "text" {
		wrong("log-format", o.LogFormat, "is unknown: write json or text")
	}
	if _, err := logLevel(o.LogLevel); err != nil {
		wrong("log-level", o.LogLevel, "is unknown: write debug, info, warn or error")
	}
}

// validateWebhooks reports what is wrong with the flags about the webhook configurations.
func (o *Options) validateWebhooks(wrong func(flag, value, remedy string)) {
	for _, name := range o.FailOpen {
		if !slices.Contains(webhookconfig.ClosedWebhooks(), name) {
			wrong("fail-open", name, "is not a webhook that fails closed: write "+strings.Join(webhookconfig.ClosedWebhooks(), " or "))
		}
	}
	for _, name := range o.Excluded {
		if len(content.IsDNS1123Label(name)) > 0 {
			wrong("excluded-namespaces", name, "is not the name of a namespace: write names such as cert-manager, separated by commas")
		}
	}
}
