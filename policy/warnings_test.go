package policy_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/shmkeeper/shmkeeper/policy"
)

// Everything that the owner of a Pod is told though nothing is rejected, word for word. A volume of
// 256Mi costs 257Mi.
func TestEvaluate_Warnings(t *testing.T) {
	const (
		fixed   = "{match: [{podSelector: {}}], sizing: {fixed: {size: 256Mi}}}"
		unused  = "{match: [{podSelector: {}}], sizing: {fixed: {size: 256Mi, expectedUsePercent: 0}}}"
		require = "{match: [{podSelector: {}}], sizing: {fixed: {size: 256Mi}}, memory: {handling: Require}}"
		ignore  = "{match: [{podSelector: {}}], sizing: {fixed: {size: 256Mi}}, memory: {handling: Ignore}}"
		leave   = "{match: [{podSelector: {}}], sizing: {fixed: {size: 256Mi}}, memory: {handling: Ignore}, existing: Leave}"
		checks  = "{match: [{podSelector: {}}]}"
		named   = "{match: [{podSelector: {}}], sizing: {fixed: {size: 256Mi}}, memory: {handling: Ignore}, writers: {names: [web]}}"
		byImage = "{match: [{images: [web]}], sizing: {fixed: {size: 256Mi}}, memory: {handling: Ignore}}"
		percent = "{match: [{podSelector: {}}], sizing: {memoryPercent: {percent: 50}}}"
		files   = "{match: [{podSelector: {}}], sizing: {files: {createdPerMinute: '18', retention: 168h, fileSize: 1500}, max: 256Mi}, memory: {handling: Ignore}}"
		all     = "{match: [{podSelector: {}}], sizing: {files: {createdPerMinute: '18', retention: 168h, fileSize: 1500}}, memory: {handling: Ignore}, overrides: Allowed}"
		forever = "{match: [{podSelector: {}}], sizing: {files: {createdPerMinute: '18', fileSize: 1500}}, memory: {handling: Ignore}, overrides: Allowed}"

		at       = "volumeMounts: [{name: shm, mountPath: /dev/shm}]"
		helper   = "{name: helper, args: [/dev/shm/x]}"
		remounts = "command: [sh, -c, 'mount -o remount,size=1G /dev/shm && app'], securityContext: {privileged: true}"
	)
	volume := func(name, size string) string {
		return "{name: " + name + ", emptyDir: {medium: Memory, sizeLimit: " + size + "}}"
	}
	unbounded := func(name string) string { return "{name: " + name + ", emptyDir: {medium: Memory}}" }
	pod := func(containers string, volumes ...string) string {
		return "{spec: {containers: [" + containers + "], volumes: [" + strings.Join(volumes, ", ") + "]}}"
	}
	resources := func(limit, request string) string {
		return "resources: {limits: {memory: " + limit + "}, requests: {memory: " + request + "}}"
	}
	template := func(queue string, suspended bool) func(*policy.Subject) {
		return func(s *policy.Subject) { s.Pointer, s.QueueName, s.Suspended = "/spec/template", queue, suspended }
	}
	reads := func(by string) []string {
		return []string{`container "web" reads its memory limit by ` + by + ` and will see 769Mi, of which the volume may take 257Mi: give the program a figure of its own`}
	}
	reader := func(rest string) string { return pod("{name: web, " + resources("512Mi", "64Mi") + ", " + rest + "}") }
	ref := func(name, resource, container string) string {
		return "{name: " + name + ", valueFrom: {resourceFieldRef: {resource: " + resource + ", containerName: '" + container + "'}}}"
	}
	for name, c := range map[string]struct {
		policy, pod string
		subject     func(*policy.Subject)
		want        []string
	}{
		"a large volume below the path does not make up for the one at it": {
			files, pod("{name: web, volumeMounts: [{name: cache, mountPath: /dev/shm/cache}]}", volume("cache", "2Gi")), nil,
			[]string{`256Mi fills after 2 d 12 h, as 717.0Mi are required: ask the administrator of policy "p" for a larger one`},
		},
		"a large volume at the path makes up for the policy's max": {
			files, pod("{name: web, "+at+"}", volume("shm", "2Gi")), nil, nil,
		},
		"an annotation asks for what is not enough": {
			all, "{metadata: {annotations: {shmkeeper.dev/size-limit: 256Mi}}, spec: {containers: [{name: web}]}}", nil,
			[]string{
				`the annotations ask for a /dev/shm of 256Mi, and policy "p" would give 897Mi: remove shmkeeper.dev/size-limit if that is not meant`,
				`256Mi fills after 2 d 12 h, as 717.0Mi are required: remove shmkeeper.dev/size-limit`,
			},
		},
		"nothing is ever deleted, and the owner may say otherwise": {
			forever, pod("{name: web}"), nil,
			[]string{`files are never deleted, so no size is enough: 4Gi fills after 40 d 10 h: delete files that are old, and set annotation shmkeeper.dev/retention to how old they get`},
		},
		"a volume below the path that holds what is required": {
			ignore, pod("{name: web, volumeMounts: [{name: shm, mountPath: /dev/shm}, {name: cache, mountPath: /dev/shm/cache}]}", volume("shm", "256Mi"), volume("cache", "256Mi")), nil, nil,
		},
		"a volume below the path that holds a MiB less": {
			ignore, pod("{name: web, volumeMounts: [{name: shm, mountPath: /dev/shm}, {name: cache, mountPath: /dev/shm/cache}]}", volume("shm", "256Mi"), volume("cache", "255Mi")), nil,
			[]string{`volume "cache" at /dev/shm/cache hides that part of /dev/shm and holds 255Mi, less than the 256Mi that are required: set its sizeLimit to 256Mi if the program writes there`},
		},
		"a small volume below the path, where files are counted": {
			all, pod("{name: web, volumeMounts: [{name: shm, mountPath: /dev/shm}, {name: cache, mountPath: /dev/shm/cache}]}", volume("shm", "897Mi"), volume("cache", "1Mi")), nil,
			[]string{`volume "cache" at /dev/shm/cache hides that part of /dev/shm and holds 1Mi, less than the 717.0Mi that are required: set its sizeLimit to 897Mi if the program writes there`},
		},
		"a volume below the path without sizeLimit": {
			ignore, pod("{name: web, volumeMounts: [{name: shm, mountPath: /dev/shm}, {name: cache, mountPath: /dev/shm/cache}]}", volume("shm", "256Mi"), unbounded("cache")), nil,
			[]string{`volume "cache" at /dev/shm/cache has no sizeLimit, so it can take all memory that its containers or the node can have: set a sizeLimit`},
		},
		"volumes that only another container mounts": {
			named, pod("{name: web, "+at+"}, {name: helper, volumeMounts: [{name: own, mountPath: /dev/shm}, {name: cache, mountPath: /dev/shm/cache}, {name: small, mountPath: /dev/shm/small}]}",
				volume("shm", "256Mi"), unbounded("own"), unbounded("cache"), volume("small", "1Mi")), nil, nil,
		},
		"a volume without sizeLimit in a Pod without limit": {
			ignore, pod("{name: web, "+at+"}", unbounded("shm")), nil,
			[]string{`volume "shm" at /dev/shm has no sizeLimit, so it can take all memory that its containers or the node can have: set one that holds what the program needs (policy "p" gives 256Mi)`},
		},
		"a volume without sizeLimit, and no sizing": {
			checks, pod("{name: web, "+at+"}", unbounded("shm")), nil,
			[]string{`volume "shm" at /dev/shm has no sizeLimit, so it can take all memory that its containers or the node can have: set one that holds what the program needs`},
		},
		"a volume without sizeLimit, and nothing to compute a size from": {
			percent, pod("{name: web, "+at+"}", unbounded("shm")), nil,
			[]string{
				`policy "p" takes 50% of the memory limit, and no writer has a limit or request, so the size is the smallest that the policy gives, 64Mi: set a memory limit`,
				`volume "shm" at /dev/shm has no sizeLimit, so it can take all memory that its containers or the node can have: set one that holds what the program needs`,
			},
		},
		"under Leave a volume that is too small": {
			leave, pod("{name: web, "+at+"}", volume("shm", "255Mi")), nil,
			[]string{`volume "shm" of 255Mi at /dev/shm is smaller than the 256Mi that are required: set its sizeLimit to 256Mi`},
		},
		"under Leave a volume that is not whole pages": {
			leave, pod("{name: web, "+at+"}", volume("shm", "500M")), nil,
			[]string{`volume "shm" of 476.8Mi at /dev/shm is not a whole number of pages, so the kubelet evicts the Pod when it is full: set its sizeLimit to 477Mi`},
		},
		"a volume that is mounted elsewhere too": {
			ignore, pod("{name: web, volumeMounts: [{name: shm, mountPath: /dev/shm}, {name: shm, mountPath: /data}]}", volume("shm", "256Mi")), nil,
			[]string{`volume "shm" at /dev/shm is also mounted at /data: what is written there takes room from /dev/shm, so make its sizeLimit large enough for both`},
		},
		"a container with a volume remounts it": {
			ignore, pod("{name: web, "+at+", "+remounts+"}", volume("shm", "256Mi")), nil,
			[]string{`container "web" remounts /dev/shm itself ("remount,size=1G"): the kubelet evicts a Pod that uses more than the sizeLimit of its volume, so remove the remount and set the sizeLimit`},
		},
		"a container without a volume remounts what the runtime mounts": {
			ignore, pod("{name: web, " + remounts + "}"), nil,
			[]string{`container "web" remounts /dev/shm itself ("remount,size=1G") and is left alone: the kubelet evicts a Pod that uses more than the sizeLimit of its volume, so remove the remount before a volume is mounted there`},
		},
		"another container names the path and mounts nothing": {
			byImage, pod("{name: web, image: web, "+at+"}, "+helper, volume("shm", "256Mi")), nil,
			[]string{`container "helper" names /dev/shm too, mounts nothing there, and so does not share it with "web": mount the same volume there if the two share files in it`},
		},
		"another container names the path and mounts the volume": {
			byImage, pod("{name: web, image: web, "+at+"}, {name: helper, args: [/dev/shm/x], "+at+"}", volume("shm", "256Mi")), nil, nil,
		},
		"another container names the path, mounts the volume, and is no writer of the policy": {
			named, pod("{name: web, "+at+"}, {name: helper, args: [/dev/shm/x], "+at+"}", volume("shm", "256Mi")), nil,
			[]string{`container "helper" names /dev/shm too and is not one of the writers of policy "p": what it writes counts against a memory limit that is not raised for it, so tell the policy's administrator if it writes`},
		},
		"another container names the path, and nothing is sized": {
			"{match: [{podSelector: {}}], writers: {names: [web]}}", pod("{name: web, "+at+"}, {name: helper, args: [/dev/shm/x], "+at+"}", volume("shm", "256Mi")), nil, nil,
		},
		"another container names the node's /dev/shm": {
			byImage, "{spec: {hostIPC: true, containers: [{name: web, image: web, " + at + "}, " + helper + "], volumes: [" + volume("shm", "256Mi") + "]}}", nil, nil,
		},
		"a limit that holds the files and what is requested": {
			fixed, pod("{name: web, "+resources("321Mi", "64Mi")+", "+at+"}", volume("shm", "256Mi")), nil, nil,
		},
		"a limit that holds a MiB less than the files and what is requested": {
			fixed, pod("{name: web, "+resources("320Mi", "64Mi")+", "+at+"}", volume("shm", "256Mi")), nil,
			[]string{`the memory limit of container "web", 320Mi, is less than what a full /dev/shm costs, 257Mi, and what it requests for itself, 64Mi: raise the limit to 321Mi`},
		},
		"the limit of the second container": {
			"{match: [{podSelector: {}}], sizing: {fixed: {size: 256Mi}}, writers: {names: [web]}}", pod("{name: helper}, {name: web, "+resources("320Mi", "64Mi")+", "+at+"}", volume("shm", "256Mi")), nil,
			[]string{`the memory limit of container "web", 320Mi, is less than what a full /dev/shm costs, 257Mi, and what it requests for itself, 64Mi: raise the limit to 321Mi`},
		},
		"a request that holds what is in use": {
			fixed, pod("{name: web, "+resources("300Mi", "256Mi")+", "+at+"}", volume("shm", "256Mi")), nil, nil,
		},
		"a request that holds a MiB less than what is in use": {
			fixed, pod("{name: web, "+resources("300Mi", "255Mi")+", "+at+"}", volume("shm", "256Mi")), nil,
			[]string{`the memory limit of container "web", 300Mi, is less than what a full /dev/shm costs, 257Mi, and what it requests for itself, 255Mi: raise the limit to 512Mi`},
		},
		"a request that is the limit": {
			unused, pod("{name: web, "+resources("300Mi", "300Mi")+", "+at+"}", volume("shm", "256Mi")), nil, nil,
		},
		// Of the 257Mi that the files cost the owner knows the 1Mi beside the volume.
		"a request just below the limit, and nothing in use": {
			unused, pod("{name: web, "+resources("300Mi", "299Mi")+", "+at+"}", volume("shm", "256Mi")), nil,
			[]string{`the memory limit of container "web", 300Mi, is less than what a full /dev/shm costs, 257Mi, and what it requests for itself, 299Mi: raise the limit to 556Mi`},
		},
		"nothing in use, and a limit for the rest": {
			unused, pod("{name: web, "+resources("320Mi", "64Mi")+", "+at+"}", volume("shm", "256Mi")), nil, nil,
		},
		"a Pod without memory figures, and nothing in use": {unused, pod("{name: web}"), nil, nil},
		"a Pod without memory figures under Require":       {require, pod("{name: web}"), nil, nil},
		"a Pod without memory figures": {
			fixed, pod("{name: web}"), nil,
			[]string{"the Pod has no memory request or limit, so none is raised: the scheduler does not know that 256Mi are in use at /dev/shm on average: set a memory request"},
		},
		"memory: Ignore says what would be killed": {
			ignore, pod("{name: web, "+resources("288Mi", "1Mi")+", "+at+"}", volume("shm", "256Mi")), nil,
			[]string{`container "web" would be OOM-killed before the volume is full: 256Mi of files at /dev/shm cost 257Mi with their kernel memory, and its memory limit is 288Mi, which must hold 32Mi for the process too (where the kubelet sets memoryThrottlingFactor, the writer stalls before it is killed); the files outlive it and use up the Pod's 288Mi, so each restart is OOM-killed again: raise the memory limit to at least 289Mi`},
		},

		"a limit is read by a variable":                 {fixed, reader("env: [" + ref("LIMIT", "limits.memory", "") + "]"), nil, reads("LIMIT")},
		"a limit is read by its container's name":       {fixed, reader("env: [" + ref("LIMIT", "limits.memory", "web") + "]"), nil, reads("LIMIT")},
		"another container's limit is read":             {fixed, reader("env: [" + ref("LIMIT", "limits.memory", "other") + "]"), nil, nil},
		"a request is read":                             {fixed, reader("env: [" + ref("REQUEST", "requests.memory", "") + "]"), nil, nil},
		"a variable has its value from elsewhere":       {fixed, reader("env: [{name: A, valueFrom: {fieldRef: {fieldPath: metadata.name}}}, {name: B, value: b}]"), nil, nil},
		"a limit is read by automemlimit":               {fixed, reader("env: [{name: AUTOMEMLIMIT, value: '0.9'}]"), nil, reads("AUTOMEMLIMIT")},
		"a limit is read by Java, as a variable says":   {fixed, reader("env: [{name: JAVA_OPTS, value: '-XX:MaxRAMPercentage=75'}]"), nil, reads("MaxRAMPercentage in JAVA_OPTS")},
		"a limit is read by Java, as the command says":  {fixed, reader("command: [java, '-XX:MaxRAMPercentage=75', '-XX:InitialRAMPercentage=5']"), nil, reads("MaxRAMPercentage")},
		"a limit is read by Java, as the arguments say": {fixed, reader("args: ['-XX:MaxRAMPercentage=75']"), nil, reads("MaxRAMPercentage")},
		"a limit is read in five ways, of which four":   {fixed, reader("env: [" + ref("A", "limits.memory", "") + ", " + ref("B", "limits.memory", "") + ", " + ref("C", "limits.memory", "") + ", " + ref("D", "limits.memory", "") + ", " + ref("E", "limits.memory", "") + "]"), nil, reads("A, B, C, D")},
		"a limit is read beside a request that is raised": {
			"{match: [{podSelector: {}}], sizing: {fixed: {size: 256Mi}}, writers: {names: ['*']}}",
			pod("{name: first, resources: {requests: {memory: 64Mi}}}, {name: web, " + resources("512Mi", "64Mi") + ", env: [{name: AUTOMEMLIMIT, value: '0.9'}]}"), nil, reads("AUTOMEMLIMIT"),
		},
		"a limit is read that is not there":              {fixed, pod("{name: web, resources: {requests: {memory: 64Mi}}, env: [{name: AUTOMEMLIMIT, value: '0.9'}]}"), nil, nil},
		"a queue counts the memory of a template":        {fixed, reader("image: web"), template("jobs", false), []string{`queue "jobs" counts the memory of the template, and the Pods get more: raise the template's memory as well`}},
		"a queue counts that of a suspended workload":    {fixed, reader("image: web"), template("jobs", true), []string{`queue "jobs" counts the memory of the template, and the Pods get more: raise the template's memory as well`}},
		"a suspended workload is counted":                {fixed, reader("image: web"), template("", true), []string{"the workload is suspended: whatever starts it counts the memory of the template, and the Pods get more: raise the template's memory as well"}},
		"a workload that runs":                           {fixed, reader("image: web"), template("", false), nil},
		"a queue counts a template that requests enough": {unused, reader("image: web"), template("jobs", true), nil},
		"a Pod of a queue is counted as it is":           {fixed, reader("image: web"), func(s *policy.Subject) { s.QueueName, s.Suspended = "jobs", true }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			w := readWorld(t, c.policy, c.pod, "", "")
			subject := w.subject()
			if c.subject != nil {
				c.subject(&subject)
			}
			e := evaluate(w.set(t), subject)
			if diff := cmp.Diff(c.want, e.Warnings); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// There are 16 warnings at most, and then one that there are more.
func TestEvaluate_SixteenWarnings(t *testing.T) {
	for n, want := range map[int]int{15: 15, 16: 16, 17: 17, 20: 17} {
		w := readWorld(t, "{match: [{podSelector: {}}], sizing: {fixed: {size: 256Mi}}, memory: {handling: Ignore}}",
			"{spec: {containers: [{name: web, volumeMounts: [{name: shm, mountPath: /dev/shm}]}], volumes: [{name: shm, emptyDir: {medium: Memory, sizeLimit: 256Mi}}]}}", "", "")
		web := &w.pod.Spec.Containers[0]
		for i := range n {
			name := fmt.Sprintf("cache-%d", i)
			web.VolumeMounts = append(web.VolumeMounts, corev1.VolumeMount{Name: name, MountPath: "/dev/shm/" + name})
			w.pod.Spec.Volumes = append(w.pod.Spec.Volumes, corev1.Volume{
				Name:         name,
				VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{Medium: corev1.StorageMediumMemory}},
			})
		}
		e, _ := w.evaluate(t)
		if len(e.Warnings) != want {
			t.Fatalf("%d volumes without sizeLimit: %d warnings, want %d", n, len(e.Warnings), want)
		}
		if last := e.Warnings[len(e.Warnings)-1]; (last == "and more") != (n > 16) {
			t.Errorf("%d volumes without sizeLimit: the last warning is %q", n, last)
		}
	}
}
