package inspect

import (
	"cmp"
	"context"
	_ "embed" // the scripts
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shmkeeper/shmkeeper/internal/human"
)

var (
	//go:embed usage.sh
	usageScript string
	//go:embed files.sh
	filesScript string
)

// How long a script may take, and how much it may print, in bytes. Listing 200,000 files takes a
// second of processor time with mawk, and three with busybox.
const (
	usageTimeout = 45 * time.Second
	filesTimeout = 2 * time.Minute
	maxUsage     = 16 << 10
	maxFiles     = 64 << 10
	maxStderr    = 2 << 10
)

// ErrNoShell means that a container cannot run the scripts: its image has no shell, or none that
// starts.
var ErrNoShell = errors.New("the container cannot run a shell")

// Target is a container.
type Target struct{ Namespace, Pod, Container string }

// Executor executes a command in a container and returns what it printed. An error that wraps
// errTooMuch means that it printed more than so many bytes.
type Executor interface {
	Execute(ctx context.Context, t Target, command []string, most int) (stdout, stderr string, err error)
}

var errTooMuch = errors.New("the command prints more than it should")

// Reader reads in containers.
type Reader struct {
	// Client adds ephemeral containers.
	Client   client.Client
	Executor Executor
}

// NewReader returns a Reader that executes commands by way of the API server, as kubectl exec does:
// by WebSocket, and by SPDY if that is rejected. The user needs the right to create pods/exec.
func NewReader(config *rest.Config, c client.Client) (*Reader, error) {
	config = rest.CopyConfig(config)
	config.APIPath, config.GroupVersion = "/api", &corev1.SchemeGroupVersion
	config.NegotiatedSerializer = scheme.Codecs.WithoutConversion()
	core, err := rest.RESTClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("execute commands in containers: %w", err)
	}
	return &Reader{Client: c, Executor: remote{config: config, core: core}}, nil
}

// Usage reads how full mounts of a Pod are, all in one container, which must see them.
func (r *Reader) Usage(ctx context.Context, t Target, paths ...string) (Reading, error) {
	ctx, cancel := within(ctx, usageTimeout)
	defer cancel()
	answer, err := r.run(ctx, t, usageScript, maxUsage, paths...)
	if err != nil {
		return Reading{}, err
	}
	reading, err := parseUsage(answer, len(paths))
	return reading, inContainer(t, err)
}

// Files lists what is in a folder of a container. Names leave the container as patterns only.
func (r *Reader) Files(ctx context.Context, t Target, path string) (Listing, error) {
	ctx, cancel := within(ctx, filesTimeout)
	defer cancel()
	answer, err := r.run(ctx, t, filesScript, maxFiles, path, strconv.Itoa(MaxPatterns))
	if err != nil {
		return Listing{}, err
	}
	listing, err := parseFiles(answer)
	return listing, inContainer(t, err)
}

// within returns a context that ends after a time, with a cause that says so.
func within(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, d, fmt.Errorf("%w: no answer within %s: the node may be overloaded: try again, with fewer Pods at once", context.DeadlineExceeded, d))
}

// run runs a script with arguments and returns what it printed, which begins with the banner.
func (r *Reader) run(ctx context.Context, t Target, script string, most int, args ...string) (string, error) {
	command := append([]string{"sh", "-c", script, "sh"}, args...)
	stdout, stderr, err := r.Executor.Execute(ctx, t, command, most)
	switch {
	case strings.HasPrefix(stdout, banner+"\n"):
		// What a script printed counts, whatever its last command said.
		if ctx.Err() != nil || errors.Is(err, errTooMuch) {
			return "", inContainer(t, cmp.Or(context.Cause(ctx), err))
		}
		return stdout, nil
	case err == nil:
		return "", inContainer(t, errNoAnswer)
	case ctx.Err() != nil:
		return "", inContainer(t, context.Cause(ctx))
	case isRefusal(err):
		return "", inContainer(t, err)
	default:
		said := strings.TrimSpace(stderr)
		if said == "" {
			said = err.Error()
		}
		return "", fmt.Errorf("container %q of Pod %s/%s: %w: %s", t.Container, t.Namespace, t.Pod, ErrNoShell, human.Quote(said, 200))
	}
}

// isRefusal reports whether the API server or the network, and not the container, is why a command did
// not run: a container's own errors come by a stream, and not as an answer to the request.
func isRefusal(err error) bool {
	var answer apierrors.APIStatus
	var network net.Error
	return errors.As(err, &answer) || errors.As(err, &network)
}

func inContainer(t Target, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("container %q of Pod %s/%s: %w", t.Container, t.Namespace, t.Pod, err)
}
