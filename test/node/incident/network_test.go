//go:build linux && node

package incident

import (
	"net"
	"testing"
)

// The Pods reach the node by the address of their bridge, which must stay what it is when Pods come and go: one that remembers
// another reaches neither the API server nor answers its probes.
func TestNetwork_BridgeKeepsItsAddress(t *testing.T) {
	t.Parallel()
	bridge, err := net.InterfaceByName("cni0")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := bridge.HardwareAddr.String(), "02:42:0a:f4:00:01"; got != want {
		t.Errorf("the bridge has the address %s beside its ports; want %s, the one that it was given", got, want)
	}
}
