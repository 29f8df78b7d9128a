package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/rest"
)

// What happens to the CA is an event about its Secret.
func TestNewSource_SendsEvents(t *testing.T) {
	api := httptest.NewServer(http.NotFoundHandler()) // there are no webhook configurations
	t.Cleanup(api.Close)
	scheme, err := newScheme()
	if err != nil {
		t.Fatal(err)
	}
	o, _ := parsed(t, "--namespace=shm")
	kube := fake.NewClientset()
	source, err := newSource(t.Context(), &rest.Config{Host: api.URL}, kube, scheme, *o)
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = source.Start(t.Context()) }() // returns nil
	type event struct{ Type, Reason, From, Kind, Name string }
	want := event{corev1.EventTypeNormal, "CACreated", "shmkeeper", "Secret", "shmkeeper-ca"}
	waitFor(t, func() error {
		list, err := kube.EventsV1().Events("shm").List(t.Context(), metav1.ListOptions{})
		if err != nil {
			return err
		}
		var got []event
		for i := range list.Items {
			e := &list.Items[i]
			got = append(got, event{e.Type, e.Reason, e.ReportingController, e.Regarding.Kind, e.Regarding.Name})
		}
		if !slices.Contains(got, want) {
			return fmt.Errorf("got the events %v, want %v among them", got, want)
		}
		return nil
	})
}
