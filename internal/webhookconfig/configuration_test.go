package webhookconfig

import (
	"fmt"
	"strings"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shmkeeper/shmkeeper/manifests/webhooks"
)

func TestReadManifest(t *testing.T) {
	for name, text := range map[string]string{
		"is of another kind": "apiVersion: admissionregistration.k8s.io/v1\nkind: ValidatingWebhookConfiguration\nmetadata: {name: shmkeeper}\n",
		"has an odd field":   "kind: MutatingWebhookConfiguration\nwebhoks: []\n",
		"has no name":        "apiVersion: admissionregistration.k8s.io/v1\nkind: MutatingWebhookConfiguration\n",
	} {
		if _, err := readManifest([]byte(text), Mutating, "n"); err == nil || !strings.HasSuffix(err.Error(), "build the program again from a clean checkout") {
			t.Errorf("%s: %v", name, err)
		}
	}
	u, err := readManifest(webhooks.Mutating(), Mutating, "elsewhere")
	if err != nil {
		t.Fatal(err)
	}
	w := webhooksOf(u)[0]
	if !w.calls(client.ObjectKey{Namespace: "elsewhere", Name: "shmkeeper-webhook"}) || !strings.Contains(fmt.Sprint(w[namespaceSelector]), "elsewhere") {
		t.Errorf("%v", w)
	}
}
