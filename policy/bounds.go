package policy

import "fmt"

// The bounds of a Pod whose policy is worked out. Every loop of an evaluation runs over
// one of these lists, so that nobody who may create Pods can keep the server busy.
const (
	mostContainers = 256 // of all kinds
	mostMounts     = 1024
	mostVolumes    = 1024
	mostTextOfPod  = 64 << 10 // bytes of commands, arguments and environment
)

// tooComplex returns TooComplex for a Pod that is beyond the bounds: more than 256 containers
// of all kinds, 1,024 mounts, 1,024 volumes (claim templates included), or 64 KiB of commands,
// arguments and environment. nil for every other.
func tooComplex(s *Subject) *Violation {
	spec := &s.Pod.Spec
	containers := len(spec.InitContainers) + len(spec.Containers) + len(spec.EphemeralContainers)
	if containers > mostContainers {
		return beyond("containers", containers, mostContainers)
	}
	if volumes := len(spec.Volumes) + len(s.Claims); volumes > mostVolumes {
		return beyond("volumes", volumes, mostVolumes)
	}
	mounts, text := 0, 0
	for _, list := range [...][]ContainerView{spec.InitContainers, spec.Containers, spec.EphemeralContainers} {
		for i := range list {
			c := &list[i]
			if mounts += len(c.VolumeMounts) + len(c.VolumeDevices); mounts > mostMounts {
				return beyond("mounts", mounts, mostMounts)
			}
			if text += c.textLength(mostTextOfPod - text); text > mostTextOfPod {
				return beyond("bytes of commands, arguments and environment", text, mostTextOfPod)
			}
		}
	}
	return nil
}

func beyond(what string, n, most int) *Violation {
	return &Violation{Reason: TooComplex, Detail: fmt.Sprintf(
		"the Pod has at least %d %s, and no more than %d are evaluated: split the Pod, or move what it needs into files", n, what, most)}
}

// textLength returns how much text a container's settings have, in bytes; it stops counting
// beyond enough.
func (c *ContainerView) textLength(enough int) int {
	n := 0
	for _, list := range [...][]string{c.Command, c.Args, c.postStart()} {
		for _, text := range list {
			if n += len(text); n > enough {
				return n
			}
		}
	}
	for i := range c.Env {
		if n += len(c.Env[i].Name) + len(c.Env[i].Value); n > enough {
			return n
		}
	}
	return n
}
