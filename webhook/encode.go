package webhook

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"slices"

	"github.com/go-json-experiment/json/jsontext"
	"gomodules.xyz/jsonpatch/v2"
	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"
)

// appendReview appends a response as an AdmissionReview, as admission.Webhook writes it: only the
// status of a denied request, and the values of a patch that are neither texts nor maps of them,
// go through reflection. scratch is reused for the patch, and returned.
func appendReview(out, scratch []byte, r *admission.Response) (review, used []byte, err error) {
	out = append(out, `{"kind":"AdmissionReview","apiVersion":"`+admissionv1.GroupName+`/v1","response":{"uid":`...)
	out = appendText(out, string(r.UID))
	if r.Allowed {
		out = append(out, `,"allowed":true,"status":`...)
	} else {
		out = append(out, `,"allowed":false,"status":`...)
	}
	if r.Result == nil {
		out = append(out, `{"metadata":{},"code":200}`...)
	} else if out, err = appendStatus(out, *r.Result); err != nil {
		return nil, scratch, err
	}
	if len(r.Patches) > 0 {
		if scratch, err = appendPatch(scratch[:0], r.Patches); err != nil {
			return nil, scratch, err
		}
		out = append(out, `,"patch":"`...)
		out = base64.StdEncoding.AppendEncode(out, scratch)
		out = append(out, `","patchType":"`+string(admissionv1.PatchTypeJSONPatch)+`"`...)
	}
	if len(r.AuditAnnotations) > 0 {
		out = append(out, `,"auditAnnotations":`...)
		out = appendTextMap(out, r.AuditAnnotations)
	}
	if len(r.Warnings) > 0 {
		out = append(out, `,"warnings":`...)
		out = appendList(out, r.Warnings, appendText)
	}
	return append(out, "}}\n"...), scratch, nil
}

func appendStatus(out []byte, status metav1.Status) ([]byte, error) {
	if status.Code == 0 {
		status.Code = http.StatusOK
	}
	text, err := json.Marshal(status)
	return append(out, text...), err
}

func appendPatch(out []byte, ops []jsonpatch.Operation) (_ []byte, err error) {
	return appendList(out, ops, func(out []byte, op jsonpatch.Operation) []byte {
		out = append(out, `{"op":`...)
		out = appendText(out, op.Operation)
		out = append(out, `,"path":`...)
		out = appendText(out, op.Path)
		out = append(out, `,"value":`...)
		var failed error
		if out, failed = appendValue(out, op.Value); failed != nil {
			err = failed
		}
		return append(out, '}')
	}), err
}

func appendValue(out []byte, value any) ([]byte, error) {
	switch v := value.(type) {
	case string:
		return appendText(out, v), nil
	case map[string]string:
		return appendTextMap(out, v), nil
	default:
		text, err := json.Marshal(value)
		return append(out, text...), err
	}
}

// appendText appends a string. What is not UTF-8 is replaced, as encoding/json does.
func appendText(out []byte, text string) []byte {
	out, _ = jsontext.AppendQuote(out, text) // the error says that something was replaced
	return out
}

func appendTextMap(out []byte, m map[string]string) []byte {
	out = append(out, '{')
	for i, key := range slices.Sorted(maps.Keys(m)) {
		if i > 0 {
			out = append(out, ',')
		}
		out = appendText(out, key)
		out = append(out, ':')
		out = appendText(out, m[key])
	}
	return append(out, '}')
}

func appendList[T any](out []byte, list []T, appendOne func([]byte, T) []byte) []byte {
	out = append(out, '[')
	for i, element := range list {
		if i > 0 {
			out = append(out, ',')
		}
		out = appendOne(out, element)
	}
	return append(out, ']')
}
