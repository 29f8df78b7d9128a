package main

import (
	"container/list"
	"net"
	"net/http"
	"sync"
)

// mostIdle is how many connections may be idle at a time: nobody can keep the rest from being accepted by
// connections that ask for nothing.
const mostIdle = mostConnections * 3 / 4

// idleConnections closes connections that are idle if there are too many: of the address that has
// most of them, the one that is idle the longest. It knows nothing of requests, so an API server that has
// just begun to send one on it sees it fail; an API server has a few dozen, and not the most.
type idleConnections struct {
	most int

	mu     sync.Mutex
	places map[net.Conn]*list.Element
	byHost map[string]*list.List // of net.Conn, the one that is idle the longest first
}

func newIdleConnections(most int) *idleConnections {
	return &idleConnections{most: most, places: map[net.Conn]*list.Element{}, byHost: map[string]*list.List{}}
}

// observe is the ConnState of an http.Server.
func (i *idleConnections) observe(c net.Conn, state http.ConnState) {
	switch state {
	case http.StateIdle:
		i.wait(c)
	case http.StateNew, http.StateActive, http.StateClosed, http.StateHijacked:
		i.remove(c)
	}
}

// wait notes that a connection is idle, and closes one if there are too many.
func (i *idleConnections) wait(c net.Conn) {
	surplus := i.add(c)
	if surplus == nil {
		return
	}
	if t, ok := surplus.(interface{ NetConn() net.Conn }); ok {
		surplus = t.NetConn() // a goodbye by TLS could take seconds
	}
	_ = surplus.Close() // it may have ended on its own
}

// add notes that a connection is idle, and returns the one to close; nil if there are few.
func (i *idleConnections) add(c net.Conn) (surplus net.Conn) {
	i.mu.Lock()
	defer i.mu.Unlock()
	host := hostOf(c)
	if i.byHost[host] == nil {
		i.byHost[host] = list.New()
	}
	i.places[c] = i.byHost[host].PushBack(c)
	if len(i.places) <= i.most {
		return nil
	}
	most := i.byHost[host]
	for _, of := range i.byHost {
		if of.Len() > most.Len() {
			most = of
		}
	}
	surplus, _ = most.Front().Value.(net.Conn)
	return surplus
}

func (i *idleConnections) remove(c net.Conn) {
	i.mu.Lock()
	defer i.mu.Unlock()
	place, found := i.places[c]
	if !found {
		return
	}
	delete(i.places, c)
	host := hostOf(c)
	i.byHost[host].Remove(place)
	if i.byHost[host].Len() == 0 {
		delete(i.byHost, host)
	}
}

// hostOf returns the address of a client without its port.
func hostOf(c net.Conn) string {
	address := c.RemoteAddr().String()
	if host, _, err := net.SplitHostPort(address); err == nil {
		return host
	}
	return address
}
