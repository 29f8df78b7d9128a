package kernels

import (
	"os/exec"
	"strings"
	"testing"
)

// Each header is the six bytes of the format and 13 fields of eight digits; a name starts 110 bytes
// after its header.
func TestInitramfs(t *testing.T) {
	got := string(initramfs(archived{"b", 0o755, []byte("hi")}, archived{"plan", 0o600, nil}))
	zeros := strings.Repeat("0", 8)
	want := "070701" + "00000001" + "000081ED" + zeros + zeros + "00000001" + zeros + "00000002" + strings.Repeat(zeros, 4) +
		"00000002" + zeros +
		"b\x00" + "hi\x00\x00" +
		"070701" + "00000002" + "00008180" + zeros + zeros + "00000001" + zeros + zeros + strings.Repeat(zeros, 4) + "00000005" + zeros +
		"plan\x00\x00" +
		"070701" + zeros + zeros + zeros + zeros + "00000001" + zeros + zeros + strings.Repeat(zeros, 4) + "0000000B" + zeros +
		"TRAILER!!!\x00\x00\x00\x00"
	if got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

// checkpolicy and a kernel judge the policy; here it is only complete.
func TestSELinuxPolicy(t *testing.T) {
	policy := seLinuxPolicy()
	for _, line := range []string{
		"class file\n", "class file { read }\n", "sid kernel\nsid security\nsid unlabeled\n", "sid devnull system_u:base_r:base_t\n",
		"fs_use_trans tmpfs system_u:object_r:container_file_t_s0_c123_c456;\n",
	} {
		if !strings.Contains(policy, line) {
			t.Errorf("the policy has no %q", line)
		}
	}
	// As long as system_u:object_r:container_file_t:s0:c123,c456, which containers have.
	if got, want := len("system_u:object_r:"+containerLabel), len("system_u:object_r:container_file_t:s0:c123,c456"); got != want {
		t.Errorf("a label has %d bytes, want %d", got, want)
	}
	if _, err := exec.LookPath("checkpolicy"); err != nil {
		t.Log("checkpolicy is not there: the policy was not compiled")
		return
	}
	binary, err := compilePolicy(t.Context(), t.TempDir())
	if err != nil || len(binary) < 100 {
		t.Errorf("compiled to %d bytes: %v", len(binary), err)
	}
}
