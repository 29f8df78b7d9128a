package podtemplate_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/shmkeeper/shmkeeper/internal/podtemplate"
)

// argoWorkflow is the spec of a Workflow with templates of every kind.
const argoWorkflow = `
entrypoint: main
podMetadata: {labels: {team: ml, stage: all}}
volumes: [{name: dshm, emptyDir: {medium: Memory, sizeLimit: 2Gi}}, {name: unused, emptyDir: {}}]
volumeClaimTemplates: [{metadata: {name: work}, spec: {accessModes: [ReadWriteOnce]}}]
templates:
- name: main
  dag: {tasks: [{name: a, template: train}]}
- name: train
  activeDeadlineSeconds: "{{workflow.parameters.deadline}}"
  metadata: {labels: {stage: train}}
  container: {image: "pytorch/pytorch:2.5.1", volumeMounts: [{name: dshm, mountPath: /dev/shm}]}
  initContainers: [{name: fetch, image: busybox, volumeMounts: [{name: work, mountPath: /work}]}]
  sidecars: [{name: db, image: postgres, mirrorVolumeMounts: true}]
- name: script
  script: {image: python, name: ignored, source: "print(1)", volumeMounts: [{name: own, mountPath: /own}]}
  volumes: [{name: own, emptyDir: {}}]
- name: set
  containerSet:
    volumeMounts: [{name: dshm, mountPath: /dev/shm}]
    containers: [{name: a, image: alpine}, {name: main, image: alpine, dependencies: [a]}]
- name: patched
  container: {image: busybox}
  podSpecPatch: '{"containers":[{"name":"main"}]}'
- name: resource
  resource: {action: create, manifest: "kind: Pod\nspec:\n  containers:\n  - image: a\n"}
`

func TestFind_ArgoWorkflows(t *testing.T) {
	want := func(spec string) []string {
		return []string{
			`Container "` + spec + `/templates/1" main=pytorch/pytorch:2.5.1,db=postgres init fetch=busybox volumes work,dshm labels map[stage:train team:ml]`,
			`Container "` + spec + `/templates/2" main=python volumes own labels map[stage:all team:ml]`,
			`Container "` + spec + `/templates/3" a=alpine,main=alpine volumes dshm labels map[stage:all team:ml]`,
			`Container "` + spec + `/templates/4" main=busybox labels map[stage:all team:ml]`,
			`unread "` + spec + `/templates/4/podSpecPatch" is a patch of the Pod, as text, and is not applied` + review,
			`unread "` + spec + `/templates/5/resource/manifest" is text with containers in it, and is not read: review it as a file of its own`,
		}
	}
	for name, tc := range map[string]struct {
		object string
		want   []string
	}{
		"a Workflow": {
			object: "{apiVersion: argoproj.io/v1alpha1, kind: Workflow}",
			want:   want("/spec"),
		},
		"a CronWorkflow has one within": {
			object: "{apiVersion: argoproj.io/v1alpha1, kind: CronWorkflow}",
			want:   want("/spec/workflowSpec"),
		},
	} {
		t.Run(name, func(t *testing.T) {
			o := object(t, tc.object)
			o["spec"] = object(t, argoWorkflow)
			if o["kind"] == "CronWorkflow" {
				o["spec"] = map[string]any{"schedule": "* * * * *", "workflowSpec": object(t, argoWorkflow)}
			}
			found, unread := podtemplate.Find(o)
			if diff := cmp.Diff(tc.want, lines(found, unread)); diff != "" {
				t.Fatalf("(-want +got)\n%s", diff)
			}
			for _, i := range []int{0, 2} {
				for _, c := range found[i].Spec.Containers[:1] {
					if len(c.VolumeMounts) != 1 || c.VolumeMounts[0].MountPath != "/dev/shm" {
						t.Errorf("%s: mounts of %q are %v, not one at /dev/shm", found[i].Pointer, c.Name, c.VolumeMounts)
					}
				}
			}
			if got := found[0].Spec.Volumes[1].EmptyDir.SizeLimit.String(); got != "2Gi" {
				t.Errorf("the volume of the workflow has the limit %s, not 2Gi", got)
			}
		})
	}
}

func TestFind_ArgoWorkflowsUnread(t *testing.T) {
	got := lines(podtemplate.Find(object(t, `
apiVersion: argoproj.io/v1alpha1
kind: Workflow
spec:
  volumes: [{name: 1}]
  volumeClaimTemplates: none
  podMetadata: {labels: [a]}
  templates: [{container: {image: a}}, {container: {image: b, args: x}}, {container: {image: c}, sidecars: {}},
    {containerSet: {containers: [{name: d, image: 5}]}}]`)))
	want := []string{
		`Container "/spec/templates/0" main=a`,
		`unread "/spec" cannot be read: volumes[0].name: "1" is not a string: put it in quotes`,
		`unread "/spec" cannot be read: volumeClaimTemplates: "none" is not a list: begin each element with "- "`,
		`unread "/spec" cannot be read: podMetadata.labels: a list is not a mapping: write it with keys and values`,
		`unread "/spec/templates/1" cannot be read: container.args: "x" is not a list: begin each element with "- "`,
		`unread "/spec/templates/2" cannot be read: sidecars: a mapping is not a list: begin each element with "- "`,
		`unread "/spec/templates/3" cannot be read: containerSet.containers[0].image: "5" is not a string: put it in quotes`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// The container of another kind keeps its name.
func TestFind_OtherContainer(t *testing.T) {
	got := lines(podtemplate.Find(object(t,
		`{apiVersion: example.com/v1, kind: Runner, spec: {container: {name: runner, image: a}}}`)))
	want := []string{`Container "/spec" runner=a`}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
