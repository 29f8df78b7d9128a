package live

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/cli"
)

// Flags holds kubectl's flags that say which cluster to ask, as whom, and what to look at. They are
// client-go's own, so that kubeconfig files and credential plugins work as they do with kubectl.
type Flags struct {
	set       *pflag.FlagSet
	overrides clientcmd.ConfigOverrides
	loading   *clientcmd.ClientConfigLoadingRules

	allNamespaces bool
	selector      string
}

// listed are the flags that --help lists; the others are taken all the same.
var listed = []string{"namespace", "context", "kubeconfig", "as"}

// Add adds the flags for the cluster, the credentials and the namespace to a command.
func (f *Flags) Add(cmd *cobra.Command) {
	f.set = cmd.Flags()
	f.set.SortFlags = false
	f.loading = clientcmd.NewDefaultClientConfigLoadingRules()
	f.loading.WarnIfAllMissing = false // Connect says so
	names := clientcmd.RecommendedConfigOverrideFlags("")
	// No API server has known passwords since Kubernetes 1.19.
	names.AuthOverrideFlags.Username, names.AuthOverrideFlags.Password = clientcmd.FlagInfo{}, clientcmd.FlagInfo{}
	names.ContextOverrideFlags.Namespace.Description = "`NAMESPACE` to look at (default: the context's)"
	names.CurrentContext.Description = "`CONTEXT` of the kubeconfig to use"
	names.AuthOverrideFlags.Impersonate.Description = "`USER` to act as; the other flags of kubectl options count too"
	own := pflag.NewFlagSet("", pflag.ContinueOnError)
	clientcmd.BindOverrideFlags(&f.overrides, own, names)
	own.StringVar(&f.loading.ExplicitPath, clientcmd.RecommendedConfigPathFlag, "", "`FILE` with the cluster and the credentials (default: as kubectl)")
	own.VisitAll(func(flag *pflag.Flag) { flag.Hidden = true })
	for _, name := range listed {
		flag := own.Lookup(name)
		flag.Hidden = false
		f.set.AddFlag(flag)
	}
	f.set.AddFlagSet(own)
}

// AddSelection adds -A and -l, by which a command looks at more namespaces and at fewer Pods.
func (f *Flags) AddSelection(cmd *cobra.Command) {
	cmd.Flags().BoolVarP(&f.allNamespaces, "all-namespaces", "A", false, "look at all namespaces")
	f.AddSelector(cmd)
}

// AddSelector adds -l alone.
func (f *Flags) AddSelector(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&f.selector, "selector", "l", "", "look only at Pods with these `LABELS`, such as app=web,tier!=test")
}

// Connect reads the kubeconfig. It asks the cluster nothing, so that what fails later is what was
// asked for. An error names the flag and ends in the remedy.
func (f *Flags) Connect(s cli.Streams) (*Cluster, error) {
	selector, err := labels.Parse(f.selector)
	if err != nil {
		return nil, fmt.Errorf("-l: %s is not a selector: %w: write one such as app=web,tier!=test", cli.Quote(f.selector), err)
	}
	if _, err := clientcmd.ParseTimeout(cmp.Or(f.overrides.Timeout, "0")); err != nil {
		return nil, fmt.Errorf("--request-timeout: %s is not a time: write one such as 30s", cli.Quote(f.overrides.Timeout))
	}
	deferred := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(f.loading, &f.overrides)
	if err := f.checkContext(deferred); err != nil {
		return nil, err
	}
	config, err := deferred.ClientConfig()
	if err != nil {
		return nil, f.explain(err)
	}
	namespace, _, err := deferred.Namespace()
	if err != nil {
		return nil, f.explain(err)
	}
	if f.allNamespaces {
		namespace = ""
	} else if problems := validation.IsDNS1123Label(namespace); len(problems) > 0 {
		return nil, fmt.Errorf("-n: %s is not the name of a namespace: write lower-case letters, digits and -", cli.Quote(namespace))
	}
	return newCluster(config, namespace, selector, s.ErrOut)
}

// checkContext returns an error if the context to use is not in the kubeconfig, or names a cluster or a user that is not. client-go
// says of these that there is no configuration at all.
func (f *Flags) checkContext(deferred clientcmd.ClientConfig) error {
	raw, err := deferred.RawConfig()
	if err != nil {
		return nil // the caller finds out
	}
	name := cmp.Or(f.overrides.CurrentContext, raw.CurrentContext)
	context := raw.Contexts[name]
	switch {
	case context == nil && f.overrides.CurrentContext != "":
		return fmt.Errorf("--context: %s is not in the kubeconfig: kubectl config get-contexts lists what is", cli.Quote(name))
	case context == nil:
		return nil
	case context.Cluster != "" && raw.Clusters[context.Cluster] == nil && f.overrides.Context.Cluster == "" && f.overrides.ClusterInfo.Server == "":
		return fmt.Errorf("kubeconfig: context %s names the cluster %s, which is not there: add it with kubectl config set-cluster, or choose another with --context", cli.Quote(name), cli.Quote(context.Cluster))
	case context.AuthInfo != "" && raw.AuthInfos[context.AuthInfo] == nil && f.overrides.Context.AuthInfo == "":
		return fmt.Errorf("kubeconfig: context %s names the user %s, which is not there: add it with kubectl config set-credentials, or choose another with --context", cli.Quote(name), cli.Quote(context.AuthInfo))
	default:
		return nil
	}
}

// explain returns the error of a kubeconfig that cannot be used.
func (f *Flags) explain(err error) error {
	text := strings.TrimPrefix(err.Error(), "invalid configuration: ")
	switch {
	case clientcmd.IsEmptyConfig(err):
		return fmt.Errorf("there is no cluster to ask: name a kubeconfig with --kubeconfig or in KUBECONFIG, or use a verb that reads manifests, such as %s", "kubectl shm review")
	case f.loading.ExplicitPath != "" && !f.changedOther("kubeconfig"):
		return fmt.Errorf("--kubeconfig: %s: name a file that kubectl can use", text)
	default:
		return fmt.Errorf("kubeconfig: %s: kubectl config view shows what is in it", text)
	}
}

// changedOther reports whether a flag for the cluster or the credentials other than one is given.
func (f *Flags) changedOther(than string) bool {
	found := false
	f.set.Visit(func(flag *pflag.Flag) { found = found || flag.Hidden && flag.Name != than })
	return found
}
