package envtest

import (
	"fmt"
	"net"
	"strconv"
)

// loopback is the one address that anything here listens on.
const loopback = "127.0.0.1"

// freePort returns a port of the loopback address that was free a moment ago.
func freePort() (string, error) {
	l, err := net.Listen("tcp", net.JoinHostPort(loopback, "0"))
	if err != nil {
		return "", fmt.Errorf("no free port on %s: %w; end what holds so many", loopback, err)
	}
	defer func() { _ = l.Close() }() // nobody has connected
	addr, ok := l.Addr().(*net.TCPAddr)
	if !ok {
		return "", fmt.Errorf("no free port on %s: the listener has the address %s", loopback, l.Addr())
	}
	return strconv.Itoa(addr.Port), nil
}
