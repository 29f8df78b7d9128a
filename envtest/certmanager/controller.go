package certmanager

import (
	"context"
	"fmt"
	"time"

	"github.com/cert-manager/cert-manager/pkg/controller"
	"github.com/cert-manager/cert-manager/pkg/controller/certificaterequests/approver"
	requestsca "github.com/cert-manager/cert-manager/pkg/controller/certificaterequests/ca"
	requestsselfsigned "github.com/cert-manager/cert-manager/pkg/controller/certificaterequests/selfsigned"
	"github.com/cert-manager/cert-manager/pkg/controller/certificates/issuing"
	"github.com/cert-manager/cert-manager/pkg/controller/certificates/keymanager"
	"github.com/cert-manager/cert-manager/pkg/controller/certificates/readiness"
	"github.com/cert-manager/cert-manager/pkg/controller/certificates/requestmanager"
	"github.com/cert-manager/cert-manager/pkg/controller/certificates/revisionmanager"
	"github.com/cert-manager/cert-manager/pkg/controller/certificates/trigger"
	"github.com/cert-manager/cert-manager/pkg/controller/clusterissuers"
	"github.com/cert-manager/cert-manager/pkg/controller/issuers"
	_ "github.com/cert-manager/cert-manager/pkg/issuer/ca" // tells the controllers issuers how to set one up
	_ "github.com/cert-manager/cert-manager/pkg/issuer/selfsigned"
	"golang.org/x/sync/errgroup"
)

// controllers are those by which a Certificate of the overlay is issued and renewed.
var controllers = []string{
	approver.ControllerName,
	requestsca.CRControllerName,
	requestsselfsigned.CRControllerName,
	issuing.ControllerName,
	keymanager.ControllerName,
	readiness.ControllerName,
	requestmanager.ControllerName,
	revisionmanager.ControllerName,
	trigger.ControllerName,
	clusterissuers.ControllerName,
	issuers.ControllerName,
}

// workers is how many objects each controller looks at at the same time.
const workers = 5

// RunController does what the command cert-manager-controller does, for the administrator in the
// kubeconfig file, until ctx is done. The kinds of cert-manager have to be there. It logs to the
// logger of ctx.
func RunController(ctx context.Context, kubeconfig string) error {
	factory, err := controller.NewContextFactory(ctx, controller.ContextOptions{
		Kubeconfig:    kubeconfig,
		IssuerOptions: controller.IssuerOptions{ClusterResourceNamespace: "kube-system"},
		CertificateOptions: controller.CertificateOptions{
			CertificateRequestMinimumBackoffDuration: time.Hour,
			CertificateRequestMaximumBackoffDuration: 32 * time.Hour,
		},
	})
	if err != nil {
		return fmt.Errorf("cert-manager cannot reach the API server by %q: %w; name the Kubeconfig of a control plane that runs", kubeconfig, err)
	}
	common, err := factory.Build()
	if err != nil {
		return err
	}
	var running []controller.Interface
	for _, name := range controllers {
		create, found := controller.Known()[name]
		if !found {
			return fmt.Errorf("cert-manager has no controller %q: import the package that registers it", name)
		}
		c, err := create(factory)
		if err != nil {
			return fmt.Errorf("cert-manager's controller %q: %w", name, err)
		}
		running = append(running, c)
	}
	// Each controller has asked for its informers by now; one that is asked for later would never start.
	common.SharedInformerFactory.Start(ctx.Done())
	common.KubeSharedInformerFactory.Start(ctx.Done())
	group, ctx := errgroup.WithContext(ctx)
	for _, c := range running {
		group.Go(func() error { return c.Run(workers, ctx) })
	}
	return group.Wait()
}
