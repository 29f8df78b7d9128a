package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	provenance "github.com/in-toto/attestation/go/predicates/provenance/v1"
	intoto "github.com/in-toto/attestation/go/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"
)

const (
	// slsaPredicate is the type of SLSA's provenance, https://slsa.dev/spec/v1.1/provenance.
	slsaPredicate = "https://slsa.dev/provenance/v1"
	// signPredicate is the type by which cosign says that an image is signed, and nothing more.
	signPredicate = "https://sigstore.dev/cosign/sign/v1"
	// buildType is the URI of what the parameters in the provenance mean: the flags of this program.
	buildType = "https://github.com/shmkeeper/shmkeeper/tree/main/tools/release"
	sources   = "https://github.com/shmkeeper/shmkeeper"
)

// provenance returns an in-toto statement that says from which commit, by which Go and by whom the files and the image were
// built. It has no time, so the same build gives the same statement.
func (r *Release) provenance(ctx context.Context, files []checksum, image v1.Hash) ([]byte, error) {
	goVersion, err := r.output(ctx, "go", "env", "GOVERSION")
	if err != nil {
		return nil, err
	}
	parameters, err := structpb.NewStruct(map[string]any{"version": r.Version, "image": r.Image, "downloads": r.Downloads})
	if err != nil {
		return nil, err
	}
	builtBy := &provenance.Provenance{
		BuildDefinition: &provenance.BuildDefinition{
			BuildType: buildType, ExternalParameters: parameters,
			ResolvedDependencies: []*intoto.ResourceDescriptor{
				{Uri: "git+" + sources + "@" + r.Version, Digest: map[string]string{"gitCommit": r.Commit}},
				{Name: "go", Uri: modulePURL("stdlib", strings.TrimPrefix(strings.TrimSpace(goVersion), "go"))},
			},
		},
		RunDetails: &provenance.RunDetails{Builder: &provenance.Builder{Id: r.Builder}},
	}
	if err := builtBy.Validate(); err != nil {
		return nil, fmt.Errorf("the provenance: %w", err)
	}
	predicate, err := toStruct(builtBy)
	if err != nil {
		return nil, err
	}
	subjects := []*intoto.ResourceDescriptor{{Name: r.Image, Digest: map[string]string{image.Algorithm: image.Hex}}}
	for _, f := range files {
		if !strings.HasPrefix(f.name, imageFolder+"/") { // the image's digest stands for its parts
			subjects = append(subjects, &intoto.ResourceDescriptor{Name: f.name, Digest: map[string]string{"sha256": f.sum}})
		}
	}
	return statement(slsaPredicate, predicate, subjects...)
}

// imageStatement returns the in-toto statement that `cosign sign` makes of an image.
func imageStatement(image v1.Hash) ([]byte, error) {
	return statement(signPredicate, &structpb.Struct{}, &intoto.ResourceDescriptor{Digest: map[string]string{image.Algorithm: image.Hex}})
}

// statement returns an in-toto statement as JSON.
func statement(predicateType string, predicate *structpb.Struct, subjects ...*intoto.ResourceDescriptor) ([]byte, error) {
	s := &intoto.Statement{Type: intoto.StatementTypeUri, PredicateType: predicateType, Predicate: predicate, Subject: subjects}
	if err := s.Validate(); err != nil {
		return nil, fmt.Errorf("the statement of type %s: %w", predicateType, err)
	}
	return toJSON(s)
}

// toJSON writes a message the same way each time, which protojson does not.
func toJSON(m proto.Message) ([]byte, error) {
	text, err := protojson.Marshal(m)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err = json.Compact(&b, text)
	return b.Bytes(), err
}

func toStruct(m proto.Message) (*structpb.Struct, error) {
	text, err := protojson.Marshal(m)
	if err != nil {
		return nil, err
	}
	s := &structpb.Struct{}
	return s, protojson.Unmarshal(text, s)
}
