package usage_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/shmkeeper/shmkeeper/internal/usage"
	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/policytest"
	"github.com/shmkeeper/shmkeeper/policy/sizing"
)

func policies(t *testing.T) policy.Set {
	t.Helper()
	compiled, errs := policy.Compile(policytest.AppPolicy("sessions", "a"))
	if len(errs) > 0 {
		t.Fatal(errs.ToAggregate())
	}
	return policy.NewSet(compiled)
}

func running(options ...policytest.PodOption) *corev1.Pod {
	pod := policytest.NewPod("p", policytest.Namespace("apps"), policytest.Labels(map[string]string{"app": "a"}))
	pod.UID, pod.Spec.NodeName, pod.Status.Phase = "uid", "node-1", corev1.PodRunning
	return policytest.With(pod, options...)
}

func TestVolumesOf(t *testing.T) {
	matched := []policytest.PodOption{
		policytest.WithMemoryVolume("shm", "512Mi"),
		policytest.WithContainer("app", "app", policytest.MemoryLimit("256Mi"), policytest.Mount("shm", "/dev/shm/")),
	}
	for name, tc := range map[string]struct {
		pod  *corev1.Pod
		want []string
	}{
		"mounted at the mount path": {running(matched...), []string{"shm"}},
		"on no node":                {running(append(matched, func(p *corev1.Pod) { p.Spec.NodeName = "" })...), nil},
		"succeeded":                 {running(append(matched, func(p *corev1.Pod) { p.Status.Phase = corev1.PodSucceeded })...), nil},
		"failed":                    {running(append(matched, func(p *corev1.Pod) { p.Status.Phase = corev1.PodFailed })...), nil},
		"no policy matches":         {running(append(matched, policytest.Labels(nil))...), nil},
		"mounted elsewhere":         {running(policytest.WithMemoryVolume("shm", "1Gi"), policytest.WithContainer("app", "app", policytest.Mount("shm", "/tmp"))), nil},
		"below the mount path too":  {running(policytest.WithMemoryVolume("shm", ""), policytest.WithMemoryVolume("deep", ""), policytest.WithContainer("app", "app", policytest.Mount("shm", "/dev/shm"), policytest.Mount("deep", "/dev/shm/deep"))), []string{"shm", "deep"}},
		"on a disk": {running(func(p *corev1.Pod) {
			p.Spec.Volumes = []corev1.Volume{{Name: "shm", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}}
		}, policytest.WithContainer("app", "app", policytest.Mount("shm", "/dev/shm"))), nil},
		"nothing at the mount path":       {running(policytest.WithContainer("app", "app")), nil},
		"a Pod of Windows, by its own OS": {running(append(matched, func(p *corev1.Pod) { p.Spec.OS = &corev1.PodOS{Name: corev1.Windows} })...), nil},
	} {
		var got []string
		for _, v := range usage.VolumesOf(policies(t), tc.pod, nil) {
			got = append(got, v.Mount.Name)
			if v.Policy.Name() != "sessions" || v.Namespace != "apps" || v.Pod != "p" || v.Node != "node-1" || v.VolumeKey != (usage.VolumeKey{PodUID: "uid", Volume: v.Mount.Name}) {
				t.Errorf("%s: the volume is %+v", name, v)
			}
		}
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	// The naive repair of the incident: the kubelet clamps the size to the Pod's limit.
	if v := usage.VolumesOf(policies(t), running(matched...), nil)[0]; v.Mount.SizeLimit != 512*sizing.MiB || v.Mount.Mounted != 256*sizing.MiB {
		t.Errorf("the volume has a limit of %s and is mounted with %s; want 512Mi and 256Mi", v.Mount.SizeLimit, v.Mount.Mounted)
	}
}

func TestVolume_OOM(t *testing.T) {
	const limit = 256 * mib
	two := []policy.WriterLimit{{Container: "app", Limit: limit}, {Container: "other", Limit: 512 * mib}, {Container: "unlimited"}}
	for name, tc := range map[string]struct {
		mount  policy.MemoryVolume
		memory usage.PodMemory
		free   int64
		want   usage.OOM
		known  bool
	}{
		"no limit":                            {memory: usage.PodMemory{Pod: mib, Containers: map[string]int64{"app": mib}}},
		"no figures":                          {mount: policy.MemoryVolume{Writers: two, PodLimit: limit}},
		"a writer":                            {mount: policy.MemoryVolume{Writers: two}, memory: usage.PodMemory{Containers: map[string]int64{"app": 200 * mib, "other": 100 * mib, "unlimited": 1000 * mib}}, free: 10 * mib, want: usage.OOM{Distance: 56 * mib}, known: true},
		"the Pod, after a restart":            {mount: policy.MemoryVolume{Writers: two, PodLimit: limit}, memory: usage.PodMemory{Pod: 250 * mib, Containers: map[string]int64{"app": mib}}, free: 10 * mib, want: usage.OOM{Distance: 6 * mib, BeforeFull: true}, known: true},
		"as much left as the volume has free": {mount: policy.MemoryVolume{PodLimit: limit}, memory: usage.PodMemory{Pod: 246 * mib}, free: 10 * mib, want: usage.OOM{Distance: 10 * mib, BeforeFull: true}, known: true},
		"above the limit":                     {mount: policy.MemoryVolume{PodLimit: limit}, memory: usage.PodMemory{Pod: 257 * mib}, want: usage.OOM{Distance: -mib, BeforeFull: true}, known: true},
	} {
		v := usage.Volume{Mount: tc.mount, Size: sizing.Requirement{FileSize: 1500}.Size(sizing.Bounds{Max: sizing.GiB})}
		if got, known := v.OOM(&tc.memory, tc.free); got != tc.want || known != tc.known {
			t.Errorf("%s: %+v, %t; want %+v, %t", name, got, known, tc.want, tc.known)
		}
	}
}
