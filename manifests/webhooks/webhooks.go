// Package webhooks holds the two webhook configurations that ship with shmkeeper,
// as they are applied to a cluster: the server restores them from here.
package webhooks

import (
	"bytes"
	_ "embed" // the files below
)

//go:embed mutating.yaml
var mutating []byte

//go:embed validating.yaml
var validating []byte

// Mutating returns the MutatingWebhookConfiguration, one YAML document as it was
// written, comments included. It is a copy: the caller may change it.
func Mutating() []byte { return bytes.Clone(mutating) }

// Validating returns the ValidatingWebhookConfiguration, one YAML document as it was
// written, comments included. It is a copy: the caller may change it.
func Validating() []byte { return bytes.Clone(validating) }
