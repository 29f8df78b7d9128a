package scan

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/shmkeeper/shmkeeper/internal/audit"
	"github.com/shmkeeper/shmkeeper/policy/policytest"
)

func TestDecodePage_AsAnAPIServerWritesIt(t *testing.T) {
	list := corev1.PodList{TypeMeta: metav1.TypeMeta{Kind: "PodList", APIVersion: "v1"}, ListMeta: metav1.ListMeta{Continue: "next", ResourceVersion: "7"}}
	var want []*audit.Pod
	for i := range 3 {
		pod := policytest.NewPod(fmt.Sprintf("p%d", i), policytest.Namespace("shop"), policytest.WithContainer("c", "img", policytest.MemoryLimit("1Gi")))
		list.Items = append(list.Items, *pod)
		want = append(want, audit.PodOf(pod))
	}
	text, err := json.Marshal(&list)
	if err != nil {
		t.Fatal(err)
	}
	var got []*audit.Pod
	token, err := decodePage(strings.NewReader(string(text)), func(p *audit.Pod) { got = append(got, p) })
	if err != nil || token != "next" {
		t.Fatalf("token %q, error %v", token, err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	// Cut anywhere, it is an error and no panic.
	for i := range len(text) {
		if _, err := decodePage(strings.NewReader(string(text[:i])), func(*audit.Pod) {}); err == nil {
			t.Fatalf("the first %d bytes are taken for a list", i)
		}
	}
}

func TestDecodePage_OfSomethingElse(t *testing.T) {
	for text, want := range map[string]error{
		``:                                     io.EOF,
		`[]`:                                   errNoPodList,
		`"x"`:                                  errNoPodList,
		`{"kind":"Status","status":"Failure"}`: errNoPodList,
		`{"kind":"PodList","items":{}}`:        errNoPodList,
	} {
		if _, err := decodePage(strings.NewReader(text), func(*audit.Pod) { t.Errorf("%s has a Pod", text) }); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", text, err, want)
		}
	}
	for _, text := range []string{`{"items":[1]}`, `{"items":[{"spec":{"containers":3}}]}`, `{"metadata":{"continue":1}}`, `{"kind":3}`, `{`, `{"x":`, `{"items":[{}`} {
		if _, err := decodePage(strings.NewReader(text), func(*audit.Pod) {}); err == nil {
			t.Errorf("%s is taken for a list", text)
		}
	}
	for _, text := range []string{`{"unknown":[{"a":1}],"items":[]}`, `{"kind":"PodList","items":null}`} {
		if token, err := decodePage(strings.NewReader(text), func(*audit.Pod) {}); token != "" || err != nil {
			t.Errorf("%s: %q, %v", text, token, err)
		}
	}
}
