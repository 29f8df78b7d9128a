package inspect

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/httpstream" //nolint:staticcheck // it is deprecated, and client-go's spdy.Upgrader returns its type
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/remotecommand"
	"k8s.io/client-go/transport/spdy"
	streaming "k8s.io/streaming/pkg/httpstream"
)

// remote executes commands by way of the API server.
type remote struct {
	config *rest.Config
	core   rest.Interface
}

// Execute implements Executor.
func (r remote) Execute(ctx context.Context, t Target, command []string, most int) (string, string, error) {
	executor, err := r.executor(t, command)
	if err != nil {
		return "", "", err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stdout := &bounded{most: most, exceeded: func() { cancel(errTooMuch) }}
	stderr := &bounded{most: maxStderr, exceeded: func() {}}
	err = executor.StreamWithContext(ctx, remotecommand.StreamOptions{Stdout: stdout, Stderr: stderr})
	if cause := context.Cause(ctx); err != nil && cause != nil {
		err = cause
	}
	return stdout.String(), stderr.String(), err
}

// executor returns one that uses WebSocket and, if the API server or a proxy rejects that, SPDY: a GET
// needs the right to get pods/exec, and a POST the right to create it, which more users have.
func (r remote) executor(t Target, command []string) (remotecommand.Executor, error) {
	url := r.core.Post().Resource("pods").Namespace(t.Namespace).Name(t.Pod).SubResource("exec").
		VersionedParams(&corev1.PodExecOptions{Container: t.Container, Command: command, Stdout: true, Stderr: true}, scheme.ParameterCodec).URL()
	transport, upgrade, err := spdy.RoundTripperFor(r.config)
	if err != nil {
		return nil, err
	}
	post, err := remotecommand.NewSPDYExecutorForTransports(transport, upgrader{upgrade}, http.MethodPost, url)
	if err != nil {
		return nil, err
	}
	get, err := remotecommand.NewWebSocketExecutor(r.config, http.MethodGet, url.String())
	if err != nil {
		return nil, err
	}
	return remotecommand.NewFallbackExecutor(get, post, func(err error) bool {
		return streaming.IsUpgradeFailure(err) || streaming.IsHTTPSProxyError(err)
	})
}

// upgrader makes an API error of an answer that rejects the command: client-go makes a text of it.
type upgrader struct{ spdy.Upgrader }

// NewConnection returns the connection, or why there is none.
func (u upgrader) NewConnection(response *http.Response) (httpstream.Connection, error) {
	if response.StatusCode == http.StatusSwitchingProtocols {
		return u.Upgrader.NewConnection(response)
	}
	defer func() { _ = response.Body.Close() }()
	const most = 64 << 10
	body, err := io.ReadAll(io.LimitReader(response.Body, most))
	if err != nil {
		return nil, fmt.Errorf("read why the command is rejected: %w", err)
	}
	status := metav1.Status{}
	if json.Unmarshal(body, &status) != nil || status.Message == "" {
		status = metav1.Status{Status: metav1.StatusFailure, Message: fmt.Sprintf("%s: %s", response.Status, strings.TrimSpace(string(body)))}
	}
	status.Code = int32(response.StatusCode)
	return nil, &apierrors.StatusError{ErrStatus: status}
}

// bounded keeps the first bytes that are written to it, and says when there are more. A command
// that is given up may still be writing to it while it is read.
type bounded struct {
	mu       sync.Mutex
	buffer   bytes.Buffer
	most     int
	exceeded func()
}

// Write keeps what there is room for.
func (b *bounded) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	keep := p
	if room := b.most - b.buffer.Len(); len(p) > room {
		keep = p[:room]
		b.exceeded()
	}
	b.buffer.Write(keep)
	return len(p), nil
}

// String returns what was kept.
func (b *bounded) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.String()
}
