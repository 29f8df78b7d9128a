package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// show shows the three things that shmkeeper does, from the API server's answers.
func (c *cluster) show(ctx context.Context) error {
	for _, step := range []func(context.Context) error{c.showAdmission, c.showRejection, c.showAudit} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// showAdmission creates the incident's Deployment and shows its Pod.
func (c *cluster) showAdmission(ctx context.Context) error {
	c.heading("1. The incident's outpost: its Pod gets its /dev/shm, and the memory for it")
	c.say(`The Deployment is as authentik writes it, with no volume and no memory limit. What its Pods
will get is said at once, as a warning; the Deployment itself is not changed.`)
	if err := c.kubectl(ctx, "apply", "-f", deployment); err != nil {
		return err
	}
	name, err := c.eventually(ctx, []string{"get", "pods", "-n", enforced, "-o", "name"}, func(output string, err error) bool {
		return err == nil && output != ""
	})
	if err != nil {
		return err
	}
	if err := c.kubectl(ctx, "get", "deployments,replicasets,pods", "-n", enforced); err != nil {
		return err
	}

	pod := strings.TrimSpace(name)
	fmt.Fprintf(c.out, "$ pod=$(kubectl get pods -n %s -o name)\n\n", enforced)
	fmt.Fprintln(c.out, "Its volume is memory, and as large as 18 session files a minute need that are kept for a week:")
	if err := c.field(ctx, pod, "{.spec.volumes[?(@.emptyDir)]}"); err != nil {
		return err
	}
	fmt.Fprintln(c.out, "The container that writes to /dev/shm mounts it:")
	if err := c.field(ctx, pod, `{.spec.containers[0].volumeMounts[?(@.mountPath=="/dev/shm")]}`); err != nil {
		return err
	}
	if err := c.explainMemory(ctx, pod); err != nil {
		return err
	}
	if err := c.field(ctx, pod, "{.spec.containers[0].resources}"); err != nil {
		return err
	}
	fmt.Fprintln(c.out, "An annotation on the Pod says what was added, and by which policy:")
	return c.field(ctx, pod, `{.metadata.annotations.shmkeeper\.dev/injected}`)
}

// explainMemory says what the Pod's memory is made of.
func (c *cluster) explainMemory(ctx context.Context, name string) error {
	output, err := c.run(ctx, []string{"get", "-n", enforced, name, "-o", "json"})
	if err != nil {
		return err
	}
	var pod corev1.Pod
	if err := json.Unmarshal([]byte(output), &pod); err != nil {
		return fmt.Errorf("kubectl's output: %w; run the demo again", err)
	}
	resources := pod.Spec.Containers[0].Resources
	limit, request := mebibytes(*resources.Limits.Memory()), mebibytes(*resources.Requests.Memory())
	volume := int64(0)
	for _, v := range pod.Spec.Volumes {
		if v.EmptyDir != nil && v.EmptyDir.SizeLimit != nil {
			volume = mebibytes(*v.EmptyDir.SizeLimit)
		}
	}
	if volume == 0 {
		return errors.New("the Pod has no volume at /dev/shm; run 'make run' and read the server's log")
	}
	const had, asked = 256, 64 // the LimitRange's
	fmt.Fprintf(c.out, `What is written there counts against the container's memory, so both of its figures were raised.
Limit: %dMi = %dMi as before + %dMi of files + %dMi that the kernel needs to keep them.
Request: %dMi = %dMi as before + %dMi that are in use on an ordinary day.
`, limit, had, volume, limit-had-volume, request, asked, request-asked)
	return nil
}

// mebibytes rounds to whole ones.
func mebibytes(q resource.Quantity) int64 { return (q.Value() + 1<<19) >> 20 }

// showRejection creates a Pod that cannot be fixed.
func (c *cluster) showRejection(ctx context.Context) error {
	c.heading("2. A rejection: a Pod that shmkeeper cannot fix")
	c.say("This one brings a volume for /dev/shm, on the node's disk. shmkeeper takes nobody's volume away.")
	return c.rejected(ctx, "create", "-n", enforced, "-f", onDisk)
}

// showAudit creates the same Pod in a namespace in which nothing is enforced.
func (c *cluster) showAudit(ctx context.Context) error {
	c.heading("3. The audit mode: the same Pod, in the namespace that only watches")
	if err := c.kubectl(ctx, "create", "-n", audited, "-f", onDisk); err != nil {
		return err
	}
	c.say("It is admitted, and its owner hears nothing. The API server's audit log has, about that request:")
	notes, err := c.auditNotes(ctx)
	if err != nil {
		return err
	}
	for _, key := range []string{"outcome", "reason", "detail", "policy", "mode"} {
		fmt.Fprintln(c.out, wrap(reporter+key+": "+notes[reporter+key]))
	}
	return nil
}

// reporter begins the keys of the annotations of the webhook that watches.
const reporter = "report.pods.shmkeeper.dev/"

// auditNotes returns shmkeeper's annotations on the audit event of the Pod's creation, which can follow the answer by a moment.
func (c *cluster) auditNotes(ctx context.Context) (map[string]string, error) {
	deadline := time.Now().Add(patience)
	for time.Now().Before(deadline) {
		events, err := c.cp.AuditEvents()
		if err != nil {
			return nil, err
		}
		for i := range events {
			e := &events[i]
			if e.Verb != "create" || e.ObjectRef == nil || e.ObjectRef.Resource != "pods" || e.ObjectRef.Namespace != audited {
				continue
			}
			notes := map[string]string{}
			for key, value := range e.Annotations {
				if strings.HasPrefix(key, reporter) {
					notes[key] = value
				}
			}
			if len(notes) > 0 {
				return notes, nil
			}
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(pollEvery):
		}
	}
	return nil, errors.New("the audit log has no word from shmkeeper about the Pod; run 'make run' and read the server's log")
}
