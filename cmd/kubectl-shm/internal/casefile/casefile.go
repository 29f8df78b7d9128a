// Package casefile reads cases of tests from files: objects, policies, and the wanted outcomes.
package casefile

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/cli"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/policyfile"
	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/reviewer"
	"github.com/shmkeeper/shmkeeper/internal/manifest"
	"github.com/shmkeeper/shmkeeper/internal/testcase"
	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/v1alpha1"
)

// File represents a file of cases.
type File struct {
	Path  string
	Cases []testcase.Case
}

// ErrNoCases is the error of a file that holds something else than a list of cases.
var ErrNoCases = errors.New("there is no list of cases in it")

// Read reads a file of cases. It fails with ErrNoCases if it is not a list, and on what a case does not have.
func Read(path string) (File, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return File{}, fmt.Errorf("%w: check the path", err)
	}
	if len(text) > manifest.MaxDocumentBytes {
		return File{}, fmt.Errorf("%s: is %d bytes long, more than %d: split it", path, len(text), manifest.MaxDocumentBytes)
	}
	encoded, err := yaml.YAMLToJSONStrict(text)
	if err != nil {
		return File{}, fmt.Errorf("%s: is not YAML: %w: correct the syntax there", path, err)
	}
	if !bytes.HasPrefix(encoded, []byte("[")) {
		return File{}, fmt.Errorf("%s: %w: write a list, with a name, an object and want for each", path, ErrNoCases)
	}
	var list []json.RawMessage
	if err := json.Unmarshal(encoded, &list); err != nil {
		return File{}, fmt.Errorf("%s: %w", path, err)
	}
	file := File{Path: path}
	var wrong cli.Errors
	seen := map[string]bool{}
	for i, item := range list {
		var c testcase.Case
		decoder := json.NewDecoder(bytes.NewReader(item))
		decoder.DisallowUnknownFields()
		err := decoder.Decode(&c)
		switch {
		case err != nil:
			err = fmt.Errorf("%s: case %d: %s: correct it", path, i+1, strings.TrimPrefix(err.Error(), "json: "))
		case c.Name == "" || seen[c.Name]:
			err = fmt.Errorf("%s: case %d: name: %s is empty or the name of another case: give each a sentence of its own", path, i+1, cli.Quote(c.Name))
		case len(c.Object.Raw) == 0 || string(c.Object.Raw) == "null":
			err = fmt.Errorf("%s: case %q: object: is missing: write the Pod or workload there", path, c.Name)
		case c.Want.Outcome == "":
			err = fmt.Errorf("%s: case %q: want.outcome: is missing: write Mutated, Violating, Compliant, Exempt, Skipped or NotMatched", path, c.Name)
		}
		seen[c.Name] = true
		wrong.Add(err)
		file.Cases = append(file.Cases, c)
	}
	return file, wrong.Err()
}

// Evaluation is the outcome of a case.
type Evaluation struct {
	Review   reviewer.Result
	Result   testcase.Result
	Policies []policyfile.Policy
}

// MountPath returns where the policy that decided mounts.
func (e Evaluation) MountPath() string {
	for _, p := range e.Policies {
		if p.Compiled.Name() == e.Review.Policy {
			return p.Compiled.MountPath()
		}
	}
	return cli.DevShm
}

// Evaluate evaluates a case of a file in a folder, by its own policies and others.
func Evaluate(ctx context.Context, folder string, c *testcase.Case, others []policyfile.Policy) (Evaluation, error) {
	loaded, err := policiesOf(folder, c, others)
	if err != nil {
		return Evaluation{}, err
	}
	mirrors, err := policy.ParseMirrors(c.ImageMirrors)
	if err != nil {
		return Evaluation{}, fmt.Errorf("imageMirrors: %w", err)
	}
	text, err := stream(c)
	if err != nil {
		return Evaluation{}, err
	}
	from := reviewer.Sources{Files: cli.FileFlags{Names: []string{"-"}}, Namespace: corev1.NamespaceDefault}
	in, err := reviewer.Read(ctx, from, bytes.NewReader(text))
	if err == nil {
		err = in.Errors()
	}
	if err != nil {
		return Evaluation{}, fmt.Errorf("object: %w", err)
	}
	r, err := reviewer.New(in, reviewer.Settings{Policies: loaded, Mirrors: mirrors, Mode: v1alpha1.Enforce, Labels: c.NamespaceLabels})
	if err != nil {
		return Evaluation{}, err
	}
	results := r.Results()
	if err := in.Errors(); err != nil {
		return Evaluation{}, fmt.Errorf("object: %w", err)
	}
	if len(results) != 1 {
		return Evaluation{}, fmt.Errorf("object: has %d Pods or Pod templates that can be reviewed: give one that has one", len(results))
	}
	e := Evaluation{Review: results[0], Policies: loaded}
	e.Result, err = resultOf(&e.Review)
	return e, err
}

// policiesOf returns the policies of a case, and others: those of the library that it names, its files', its own.
func policiesOf(folder string, c *testcase.Case, others []policyfile.Policy) ([]policyfile.Policy, error) {
	var names []string
	for _, name := range c.Library {
		switch _, found := policyfile.BuiltIn(name); {
		case name == "*":
			names = append(names, policyfile.BuiltInNames()...)
		case !found:
			return nil, fmt.Errorf("library: %s is not a built-in policy: %s", cli.Quote(name), cli.DidYouMean(name, policyfile.BuiltInNames(), "kubectl shm policies lists them"))
		default:
			names = append(names, name)
		}
	}
	for _, file := range c.PolicyFiles {
		if !filepath.IsAbs(file) {
			file = filepath.Join(folder, file)
		}
		if !strings.ContainsRune(file, filepath.Separator) {
			file = "." + string(filepath.Separator) + file // never a built-in name
		}
		names = append(names, file)
	}
	loaded := others
	if len(names) > 0 {
		named, err := policyfile.Load(names, nil)
		if err != nil {
			return nil, err
		}
		loaded = append(loaded[:len(loaded):len(loaded)], named...)
	}
	own, err := inline(c)
	if err != nil {
		return nil, fmt.Errorf("policies: %w", err)
	}
	if loaded = append(loaded[:len(loaded):len(loaded)], own...); len(loaded) == 0 {
		return nil, errors.New("there is no policy: name some with library or policyFiles, write them into policies, or give -p")
	}
	return loaded, nil
}

// inline returns the policies that are written in a case.
func inline(c *testcase.Case) ([]policyfile.Policy, error) {
	var objects []manifest.Object
	for i := range c.Policies {
		p := c.Policies[i]
		p.TypeMeta = metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion.String(), Kind: v1alpha1.Kind}
		text, err := json.Marshal(p)
		if err != nil {
			return nil, fmt.Errorf("write policy %d: %w", i+1, err)
		}
		docs, err := manifest.Read(bytes.NewReader(text), fmt.Sprintf("policies[%d]", i))
		if err != nil {
			return nil, err
		}
		for _, d := range docs {
			found, err := d.Objects()
			if err != nil {
				return nil, err
			}
			objects = append(objects, found...)
		}
	}
	return policyfile.Compile(objects)
}

// stream returns the object of a case and what is around it as JSON documents.
func stream(c *testcase.Case) ([]byte, error) {
	var head struct {
		Metadata struct {
			Namespace string `json:"namespace"`
		} `json:"metadata"`
	}
	if err := json.Unmarshal(c.Object.Raw, &head); err != nil {
		return nil, fmt.Errorf("object: %w", err)
	}
	var out bytes.Buffer
	out.Write(c.Object.Raw)
	encoder := json.NewEncoder(&out)
	add := func(object any) error {
		out.WriteByte('\n')
		return encoder.Encode(object)
	}
	for i := range c.LimitRanges {
		l := c.LimitRanges[i].DeepCopy()
		l.TypeMeta, l.Namespace = metav1.TypeMeta{APIVersion: "v1", Kind: "LimitRange"}, head.Metadata.Namespace
		if err := add(l); err != nil {
			return nil, fmt.Errorf("limitRanges[%d]: %w", i, err)
		}
	}
	for i := range c.ResourceQuotas {
		q := c.ResourceQuotas[i].DeepCopy()
		q.TypeMeta, q.Namespace = metav1.TypeMeta{APIVersion: "v1", Kind: "ResourceQuota"}, head.Metadata.Namespace
		if err := add(q); err != nil {
			return nil, fmt.Errorf("resourceQuotas[%d]: %w", i, err)
		}
	}
	return out.Bytes(), nil
}

// resultOf returns what a review found, as cases have it.
func resultOf(r *reviewer.Result) (testcase.Result, error) {
	spec, err := r.FixedSpec()
	if err != nil {
		return testcase.Result{}, err
	}
	out := testcase.Result{Outcome: r.Outcome, Reason: r.Reason, Policy: r.Policy, Messages: []string{r.Detail}, Spec: spec}
	for _, warning := range r.Warnings {
		if !strings.Contains(warning, reviewer.UnknownLimitRange) { // a case has all the LimitRanges that there are
			out.Warnings = append(out.Warnings, warning)
		}
	}
	for _, x := range r.After {
		out.Violations = append(out.Violations, x.Reason)
		out.Messages = append(out.Messages, x.Detail)
	}
	for _, x := range r.Before() {
		out.Messages = append(out.Messages, x.Detail)
	}
	return out, nil
}
