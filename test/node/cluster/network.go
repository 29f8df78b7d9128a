//go:build linux

package cluster

import (
	"fmt"
	"net"
	"os"

	"github.com/vishvananda/netlink"

	"github.com/shmkeeper/shmkeeper/envtest"
)

// The network of the Pods, and the node's address in it.
const (
	bridge     = "cni0"
	podNetwork = "10.244.0.0/16"
	nodeIP     = "10.244.0.1"
)

// bridgeAddress is set on the bridge, since a bridge without one takes the least of its ports' addresses: with
// each Pod that comes or goes it might change, and Pods that remember the old one reach nobody for half a minute.
var bridgeAddress = net.HardwareAddr{0x02, 0x42, 0x0a, 0xf4, 0x00, 0x01}

// makeNetwork gives the network namespace what a node has: the loopback interface, and the bridge
// between all Pods. The address of the Service "kubernetes" is on the former, so that Pods reach
// the API server without anything that forwards.
func makeNetwork() error {
	loopback, err := netlink.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("the interface %q: %w", "lo", err)
	}
	if err := addAddress(loopback, envtest.ServiceAddress, 32); err != nil {
		return err
	}
	pods := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: bridge, HardwareAddr: bridgeAddress}}
	if err := netlink.LinkAdd(pods); err != nil {
		return fmt.Errorf("the bridge %q: %w; the kernel needs the module \"bridge\"", bridge, err)
	}
	if err := addAddress(pods, nodeIP, 16); err != nil {
		return err
	}
	// From Pods to the address on the loopback interface is a way from one interface to another.
	if err := os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0o600); err != nil {
		return fmt.Errorf("forwarding between Pods: %w", err)
	}
	return nil
}

func addAddress(link netlink.Link, ip string, bits int) error {
	name := link.Attrs().Name
	address := &netlink.Addr{IPNet: &net.IPNet{IP: net.ParseIP(ip), Mask: net.CIDRMask(bits, 32)}}
	if err := netlink.AddrAdd(link, address); err != nil {
		return fmt.Errorf("the address %s of %q: %w", ip, name, err)
	}
	if err := netlink.LinkSetUp(link); err != nil {
		return fmt.Errorf("the interface %q: %w", name, err)
	}
	return nil
}
