package main

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"time"
)

// tlsListener accepts connections on which the server waits for the first request as long as for any
// other. net/http would close a new connection if no header arrives within a few seconds. An API server
// opens connections that it needs only later, and sends no request a second time: one that
// is closed just then rejects a Pod.
type tlsListener struct {
	net.Listener
	server *webhookServer
}

// Accept implements net.Listener.
func (l *tlsListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &tlsConn{Conn: tls.Server(newEndingConn(l.server.stopping, c), l.server.tls), server: l.server}, nil
}

// tlsConn is a connection of a tlsListener.
type tlsConn struct {
	*tls.Conn
	server *webhookServer
	// used is set when the first byte of a request has been read.
	used bool
}

// Read implements net.Conn. The server's headerTimeout bounds the handshake, and the first header from its
// first byte on; its idleTimeout bounds the time between them.
func (c *tlsConn) Read(p []byte) (int, error) {
	if c.used {
		return c.Conn.Read(p)
	}
	if err := c.handshake(); err != nil {
		return 0, err
	}
	c.server.idle.wait(c)
	defer c.server.idle.remove(c)
	if err := c.SetReadDeadline(time.Now().Add(c.server.idleTimeout)); err != nil {
		return 0, err
	}
	n, err := c.Conn.Read(p)
	c.used = true
	if err == nil {
		err = c.SetReadDeadline(time.Now().Add(c.server.headerTimeout))
	}
	return n, err
}

// handshake bounds the handshake, and tells a client that knows nothing of TLS what is wrong.
func (c *tlsConn) handshake() error {
	if err := c.SetDeadline(time.Now().Add(c.server.headerTimeout)); err != nil {
		return err
	}
	err := c.Handshake()
	if plain := (tls.RecordHeaderError{}); errors.As(err, &plain) && plain.Conn != nil {
		_, _ = io.WriteString(plain.Conn, "HTTP/1.0 400 Bad Request\r\n\r\nThis port speaks TLS: use https.\n") // it may have gone
	}
	return errors.Join(err, c.SetWriteDeadline(time.Time{}))
}
