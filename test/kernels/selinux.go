package kernels

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// containerLabel is the type of files on tmpfs in the policy. It stands for the whole label that a
// container's file has, such as system_u:object_r:container_file_t:s0:c123,c456: the kernel keeps
// labels as texts, so the length matters.
const containerLabel = "container_file_t_s0_c123_c456"

// seLinuxPolicy returns the source of the smallest SELinux policy that labels files on tmpfs: one
// domain, and nothing is enforced. A kernel finds its initial labels by their order in the policy.
func seLinuxPolicy() string {
	const label = "system_u:base_r:base_t"
	initial := strings.Fields("kernel security unlabeled fs file file_labels init any_socket port netif netmsg node " +
		"igmp_packet icmp_socket tcp_socket sysctl_modprobe sysctl sysctl_fs sysctl_kernel sysctl_net sysctl_net_unix " +
		"sysctl_vm sysctl_dev kmod policy scmp_packet devnull")
	classes := []struct{ name, permissions string }{
		{"process", "transition dyntransition"},
		{"filesystem", "mount"},
		{"file", "read"},
		{"dir", "search"},
		{"fd", "use"},
		{"lnk_file", "read"},
		{"chr_file", "read"},
		{"blk_file", "read"},
		{"sock_file", "read"},
		{"fifo_file", "read"},
	}
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	for _, c := range classes {
		line("class %s", c.name)
	}
	for _, sid := range initial {
		line("sid %s", sid)
	}
	for _, c := range classes {
		line("class %s { %s }", c.name, c.permissions)
	}
	line("type base_t;")
	line("type %s;", containerLabel)
	line("role base_r;")
	line("role base_r types base_t;")
	line("allow base_t base_t:file read;")
	line("user system_u roles { base_r };")
	for _, sid := range initial {
		line("sid %s %s", sid, label)
	}
	line("fs_use_trans tmpfs system_u:object_r:%s;", containerLabel)
	line("genfscon proc / system_u:object_r:base_t")
	return b.String()
}

// compilePolicy returns the policy as a kernel loads it, in a version that Linux 5.10 knows. It
// writes into a folder.
func compilePolicy(ctx context.Context, folder string) ([]byte, error) {
	source, binary := filepath.Join(folder, "policy.conf"), filepath.Join(folder, "policy.31")
	if err := os.WriteFile(source, []byte(seLinuxPolicy()), 0o600); err != nil {
		return nil, fmt.Errorf("the SELinux policy: %w", err)
	}
	out, err := exec.CommandContext(ctx, "checkpolicy", "-U", "allow", "-c", "31", "-o", binary, source).CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("checkpolicy: %w: %s", err, out)
	}
	return os.ReadFile(binary)
}
