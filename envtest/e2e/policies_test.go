package e2e

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/shmkeeper/shmkeeper/policy"
)

func TestPolicies_InvalidInTheWordsOfCompile(t *testing.T) {
	const byCEL, byWebhook = false, true
	for name, c := range map[string]struct {
		spec      string
		byWebhook bool
	}{
		"nothing to match":        {`{match: [{}], sizing: {fixed: {size: 64Mi}}}`, byCEL},
		"two models":              {`{match: [{podSelector: {}}], sizing: {fixed: {size: 64Mi}, memoryPercent: {percent: 30}}}`, byCEL},
		"min above max":           {`{match: [{podSelector: {}}], sizing: {fixed: {size: 64Mi}, min: 128Mi, max: 64Mi}}`, byCEL},
		"half a MiB":              {`{match: [{podSelector: {}}], sizing: {fixed: {size: 64Mi}, min: 512Ki}}`, byCEL},
		"an image with a tag":     {`{match: [{images: ["nginx:1"]}], sizing: {fixed: {size: 64Mi}}}`, byCEL},
		"a path with dots":        {`{match: [{podSelector: {}}], mountPath: /dev/../shm, sizing: {fixed: {size: 64Mi}}}`, byCEL},
		"a rate of zero":          {`{match: [{podSelector: {}}], sizing: {files: {createdPerMinute: "0", fileSize: 1500}}}`, byCEL},
		"an image glob":           {`{match: [{images: ["a["]}], sizing: {fixed: {size: 64Mi}}}`, byWebhook},
		"a writer's glob":         {`{match: [{podSelector: {}}], writers: {names: ["a["]}, sizing: {fixed: {size: 64Mi}}}`, byWebhook},
		"a label that is invalid": {`{match: [{podSelector: {matchLabels: {"a b": c}}}], sizing: {fixed: {size: 64Mi}}}`, byWebhook},
	} {
		t.Run(name, func(t *testing.T) {
			bad := newPolicy("bad", c.spec)
			_, errs := policy.Compile(&bad)
			if len(errs) == 0 {
				t.Fatal("Compile takes it")
			}
			err := shared.client.Create(t.Context(), bad.DeepCopy())
			var status apierrors.APIStatus
			if !errors.As(err, &status) || !apierrors.IsInvalid(err) {
				t.Fatalf("the API server says %v", err)
			}
			var want []metav1.StatusCause
			for _, e := range errs {
				message := e.ErrorBody()
				if !c.byWebhook {
					message = shared.byRule(message)
				}
				want = append(want, metav1.StatusCause{Type: metav1.CauseType(e.Type), Field: e.Field, Message: message})
			}
			got := status.Status().Details.Causes
			for i := range got {
				if !c.byWebhook {
					got[i].Message = shared.byRule(got[i].Message)
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("causes (-Compile +API server):\n%s", diff)
			}
			if !c.byWebhook {
				return
			}
			message := deniedBy("policies.shmkeeper.dev", `SharedMemoryPolicy "bad" is invalid: `+errs.ToAggregate().Error())
			if diff := cmp.Diff(message, err.Error()); diff != "" {
				t.Errorf("message (-want +got):\n%s", diff)
			}
		})
	}
}
