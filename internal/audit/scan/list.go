package scan

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/kubernetes"

	"github.com/shmkeeper/shmkeeper/internal/audit"
)

// pageSize is how many Pods an answer of the API server has at most.
const pageSize = 500

// notOver selects the Pods that have not ended.
const notOver = "status.phase!=Succeeded,status.phase!=Failed"

// mostPages bounds the pages of one namespace: an API server whose pages never end must not keep
// a scan from ending.
const mostPages = 10_000

// eachPod calls a function for each Pod of a namespace that has not ended, page by page. A Pod is
// decoded when the function is called and forgotten when it returns, so that a page is never in
// memory as a whole. An error is one of the API server; apierrors.IsResourceExpired says that the
// list has to begin again.
func eachPod(ctx context.Context, kube kubernetes.Interface, namespace string, do func(*audit.Pod)) error {
	token := ""
	for range mostPages {
		request := kube.CoreV1().RESTClient().Get().Namespace(namespace).Resource("pods").
			SetHeader("Accept", "application/json").
			Param("limit", strconv.Itoa(pageSize)).Param("fieldSelector", notOver)
		if token != "" {
			request = request.Param("continue", token)
		}
		body, err := request.Stream(ctx)
		if err != nil {
			return err
		}
		token, err = decodePage(body, do)
		_ = body.Close() // all that was wanted of it is read
		if err != nil {
			return fmt.Errorf("read the Pods of namespace %q: %w", namespace, err)
		}
		if token == "" {
			return nil
		}
	}
	return fmt.Errorf("list the Pods of namespace %q: more than %d pages: see whether its API server answers with the same page again", namespace, mostPages)
}

// expired reports whether a list has to begin again, since the API server no longer has what its
// first page was of.
func expired(err error) bool { return apierrors.IsResourceExpired(err) || apierrors.IsGone(err) }

var errNoPodList = errors.New("the answer is not a list of Pods")

// decodePage reads a PodList in JSON. It returns the token of the next page; empty if this is the
// last.
func decodePage(r io.Reader, do func(*audit.Pod)) (token string, err error) {
	d := json.NewDecoder(r)
	if err := delimiter(d, '{'); err != nil {
		return "", err
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return "", err
		}
		switch key {
		case "metadata":
			var meta struct {
				Continue string `json:"continue"`
			}
			if err := d.Decode(&meta); err != nil {
				return "", err
			}
			token = meta.Continue
		case "items":
			if err := decodeItems(d, do); err != nil {
				return "", err
			}
		case "kind":
			var kind string
			if err := d.Decode(&kind); err != nil {
				return "", err
			}
			if kind != "PodList" {
				return "", fmt.Errorf("%w but a %.64q", errNoPodList, kind)
			}
		default:
			var ignored json.RawMessage
			if err := d.Decode(&ignored); err != nil {
				return "", err
			}
		}
	}
	return token, delimiter(d, '}')
}

// decodeItems reads the list of Pods, which may be null.
func decodeItems(d *json.Decoder, do func(*audit.Pod)) error {
	switch token, err := d.Token(); {
	case err != nil:
		return err
	case token == nil:
		return nil
	case token != json.Delim('['):
		return errNoPodList
	}
	for d.More() {
		var pod audit.Pod
		if err := d.Decode(&pod); err != nil {
			return err
		}
		do(&pod)
	}
	return delimiter(d, ']')
}

func delimiter(d *json.Decoder, wanted json.Delim) error {
	token, err := d.Token()
	if err != nil {
		return err
	}
	if token != wanted {
		return errNoPodList
	}
	return nil
}
