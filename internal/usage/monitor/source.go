package monitor

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/shmkeeper/shmkeeper/internal/usage"
	"github.com/shmkeeper/shmkeeper/internal/usage/kubelet"
	"github.com/shmkeeper/shmkeeper/internal/usage/prometheus"
)

// round is what the sources say of the volumes at one time.
type round struct {
	readings map[usage.VolumeKey]usage.Sample
	memory   map[string]*usage.PodMemory // by the Pod's UID
	// answered are the nodes that said something of all their Pods; failed why others did not, by
	// what was asked.
	answered map[string]bool
	failed   map[string]error
}

func newRound() round {
	return round{
		readings: map[usage.VolumeKey]usage.Sample{}, memory: map[string]*usage.PodMemory{},
		answered: map[string]bool{}, failed: map[string]error{},
	}
}

// located is a node, or why its kubelet cannot be asked.
type located struct {
	kubelet.Node
	err error
}

// Kubelets asks kubelets. A kubelet.Reader is one.
type Kubelets interface {
	Read(ctx context.Context, nodes []kubelet.Node) []kubelet.Answer
}

// failing are the nodes whose kubelets did not answer when they were asked last. They are asked less
// often, so that many that hang do not keep the others waiting.
type failing map[string]*failure

// failure is why a kubelet did not answer, how often in a row, and how many rounds it is still left
// out.
type failure struct {
	err         error
	times, left int
}

// mostSkipped is how many rounds a kubelet is left out at most.
const mostSkipped = 3

// skips reports whether a node is left out of this round, and why.
func (f failing) skips(node string) (skip bool, why error) {
	if x := f[node]; x != nil && x.left > 0 {
		x.left--
		return true, x.err
	}
	return false, nil
}

// answered takes an answer of a node. After the second failure it is left out of one round, and then of
// mostSkipped.
func (f failing) answered(node string, err error) {
	if err == nil {
		delete(f, node)
		return
	}
	x := f[node]
	if x == nil {
		x = &failure{}
		f[node] = x
	}
	x.err, x.times = err, x.times+1
	x.left = min(1<<min(x.times-1, 8)-1, mostSkipped)
}

// fromKubelets asks the kubelets of the nodes that have volumes, but for those that keep failing. What
// one says of Pods of other nodes does not count.
func fromKubelets(ctx context.Context, k Kubelets, volumes []*usage.Volume, nodes map[string]located, failing failing) round {
	out := newRound()
	wanted := map[string]map[string]*usage.Volume{} // by node and UID: one of the Pod's
	for _, v := range volumes {
		if wanted[v.Node] == nil {
			wanted[v.Node] = map[string]*usage.Volume{}
		}
		wanted[v.Node][v.PodUID] = v
	}
	var ask []kubelet.Node
	for _, name := range slices.Sorted(maps.Keys(wanted)) {
		switch n, known := nodes[name]; {
		case !known:
			out.failed[name] = fmt.Errorf("node %q is gone", name)
		case n.err != nil:
			out.failed[name] = n.err
		default:
			if skip, why := failing.skips(name); skip {
				out.failed[name] = why
				continue
			}
			ask = append(ask, n.Node)
		}
	}
	maps.DeleteFunc(failing, func(name string, _ *failure) bool { return wanted[name] == nil })
	for _, a := range k.Read(ctx, ask) {
		failing.answered(a.Node, a.Err)
		if a.Err != nil {
			out.failed[a.Node] = a.Err
			continue
		}
		out.answered[a.Node] = true
		for i := range a.Summary.Pods {
			p := &a.Summary.Pods[i]
			v := wanted[a.Node][p.UID]
			if v == nil || v.Namespace != p.Namespace || v.Pod != p.Name {
				continue
			}
			out.memory[p.UID] = &p.Memory
			for j := range p.Volumes {
				out.readings[p.Volumes[j].VolumeKey] = p.Volumes[j].Sample
			}
		}
	}
	return out
}

// Prometheus is asked for all volumes at once. A prometheus.Reader is one.
type Prometheus interface {
	Now(ctx context.Context, at time.Time) ([]usage.Reading, error)
	Memory(ctx context.Context, at time.Time, namespaces []string) (map[[2]string]*usage.PodMemory, error)
}

var _ Prometheus = (*prometheus.Reader)(nil)

// fromPrometheus asks Prometheus, which does not say which nodes it knows: nothing counts as gone
// because it is silent.
func fromPrometheus(ctx context.Context, p Prometheus, volumes []*usage.Volume, now time.Time) round {
	out := newRound()
	readings, err := p.Now(ctx, now)
	if err != nil {
		out.failed["Prometheus"] = err
		return out
	}
	namespaces := map[string]bool{}
	for _, v := range volumes {
		namespaces[v.Namespace] = true
	}
	for i := range readings {
		out.readings[readings[i].VolumeKey] = readings[i].Sample
	}
	if len(volumes) == 0 {
		return out
	}
	memory, err := p.Memory(ctx, now, slices.Sorted(maps.Keys(namespaces)))
	if err != nil {
		out.failed["Prometheus"] = err // what is in the volumes is known all the same
	}
	for _, v := range volumes {
		if m := memory[[2]string{v.Namespace, v.Pod}]; m != nil {
			out.memory[v.PodUID] = m
		}
	}
	return out
}
