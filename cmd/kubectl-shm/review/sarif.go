package review

import (
	"crypto/sha256"
	"encoding/hex"
	"net/url"
	"path/filepath"
	"strings"

	"github.com/shmkeeper/shmkeeper/internal/version"
	"github.com/shmkeeper/shmkeeper/policy"
)

// SARIF 2.1.0, as far as a review fills it in
// (https://docs.oasis-open.org/sarif/sarif/v2.1.0/os/sarif-v2.1.0-os.html).
type (
	sarifLog struct {
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Tool        sarifTool         `json:"tool"`
		Invocations []sarifInvocation `json:"invocations"`
		Results     []sarifResult     `json:"results"`
		Language    string            `json:"language"`
		Newlines    []string          `json:"newlineSequences"`
	}
	sarifTool struct {
		Driver sarifDriver `json:"driver"`
	}
	sarifDriver struct {
		Name           string      `json:"name"`
		Version        string      `json:"version"`
		InformationURI string      `json:"informationUri"`
		Language       string      `json:"language"`
		Rules          []sarifRule `json:"rules"`
	}
	sarifRule struct {
		ID               string    `json:"id"`
		Name             string    `json:"name"`
		ShortDescription sarifText `json:"shortDescription"`
		HelpURI          string    `json:"helpUri"`
	}
	sarifText struct {
		Text string `json:"text"`
	}
	sarifInvocation struct {
		Successful    bool                `json:"executionSuccessful"`
		Notifications []sarifNotification `json:"toolExecutionNotifications"`
	}
	sarifNotification struct {
		Level     level           `json:"level"`
		Message   sarifText       `json:"message"`
		Locations []sarifLocation `json:"locations,omitempty"`
	}
	sarifResult struct {
		RuleID       string            `json:"ruleId"`
		Level        level             `json:"level"`
		Message      sarifText         `json:"message"`
		Locations    []sarifLocation   `json:"locations"`
		Fingerprints map[string]string `json:"partialFingerprints"`
	}
	sarifLocation struct {
		Physical sarifPhysical  `json:"physicalLocation"`
		Logical  []sarifLogical `json:"logicalLocations,omitempty"`
	}
	sarifPhysical struct {
		Artifact sarifArtifact `json:"artifactLocation"`
		Region   sarifRegion   `json:"region"`
	}
	sarifArtifact struct {
		URI string `json:"uri"`
	}
	sarifRegion struct {
		StartLine int `json:"startLine"`
	}
	sarifLogical struct {
		FullyQualifiedName string `json:"fullyQualifiedName"`
		Kind               string `json:"kind"`
	}
)

const (
	sarifSchema = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
	language    = "en-US"
	projectURI  = "https://github.com/shmkeeper/shmkeeper"
	docsURI     = projectURI + "/blob/main/docs/"
)

// short says of each rule what it finds.
var short = map[string]string{
	string(policy.NoMount):              "nothing is mounted at the path",
	string(policy.NotMemory):            "what is mounted is not a Memory emptyDir",
	string(policy.Unbounded):            "the Memory emptyDir has no sizeLimit",
	string(policy.TooSmall):             "the sizeLimit is below the required size",
	string(policy.NotWholePages):        "the sizeLimit ends within a page",
	string(policy.ClampedByMemoryLimit): "the kubelet would mount less",
	string(policy.OOMBeforeFull):        "the memory limit does not hold a full volume",
	string(policy.ReadOnly):             "the volume is mounted read-only",
	string(policy.SubPath):              "only a part of the volume is mounted",
	string(policy.InvalidOverride):      "an annotation that changes the size does not count",
	string(policy.NotExempt):            "an exemption does not count",
	string(policy.ExceedsQuota):         "a ResourceQuota has no room for the memory",
	string(policy.ExceedsLimitRange):    "a LimitRange does not allow the memory",
	string(policy.HostShm):              "the node's own /dev/shm is used, and the policy denies it",
	string(policy.TooComplex):           "the Pod is too large to evaluate",
	string(policy.AddVolume):            "a volume would be added",
	string(policy.ResizeVolume):         "the sizeLimit of a volume would be raised",
	string(policy.RaiseMemory):          "memory limits or requests would be raised",
	ruleWarning:                         "something that rejects nothing can go wrong",
	ruleNote:                            "something is known of an object that no policy matches",
}

// sarifRules returns all rules: the checks, the changes, and the rest.
func sarifRules() []sarifRule {
	var rules []sarifRule
	for _, reason := range policy.ViolationReasons() {
		anchor := strings.ToLower(reason.ID() + "-" + string(reason))
		rules = append(rules, sarifRule{reason.ID(), string(reason), sarifText{short[string(reason)]}, docsURI + "reference/checks.md#" + anchor})
	}
	for _, name := range [...]string{string(policy.AddVolume), string(policy.ResizeVolume), string(policy.RaiseMemory), ruleWarning, ruleNote} {
		rules = append(rules, sarifRule{name, name, sarifText{short[name]}, docsURI + "reference/review-output.md#rules"})
	}
	return rules
}

// sarif returns the findings for code scanning. What cannot be read is not a result but a notification.
func (v *review) sarif() sarifLog {
	run := sarifRun{
		Tool: sarifTool{sarifDriver{
			Name: "kubectl-shm", Version: version.Text(), InformationURI: projectURI, Language: language, Rules: sarifRules(),
		}},
		Results: []sarifResult{}, Language: language, Newlines: []string{"\r\n", "\n"},
	}
	invocation := sarifInvocation{Successful: len(v.in.Problems) == 0, Notifications: []sarifNotification{}}
	for _, f := range v.invalid() {
		n := sarifNotification{Level: f.level, Message: sarifText{f.message}}
		if f.file != "" {
			n.Locations = []sarifLocation{{Physical: physical(f)}}
		}
		invocation.Notifications = append(invocation.Notifications, n)
	}
	for _, note := range v.in.Notes {
		invocation.Notifications = append(invocation.Notifications, sarifNotification{Level: levelNote, Message: sarifText{note}})
	}
	for i := range v.results {
		for _, f := range v.findings(&v.results[i]) {
			run.Results = append(run.Results, sarifResult{
				RuleID: f.rule, Level: f.level, Message: sarifText{f.message},
				Locations:    []sarifLocation{{physical(f), []sarifLogical{{f.title, "resource"}}}},
				Fingerprints: map[string]string{"object/v1": fingerprint(f)},
			})
		}
	}
	run.Invocations = []sarifInvocation{invocation}
	return sarifLog{Schema: sarifSchema, Version: "2.1.0", Runs: []sarifRun{run}}
}

func physical(f finding) sarifPhysical {
	uri := (&url.URL{Path: filepath.ToSlash(f.file)}).String()
	return sarifPhysical{sarifArtifact{uri}, sarifRegion{max(f.line, 1)}}
}

// fingerprint returns what stays when lines move: the rule, the object and the container. Of warnings and
// notes, of which an object may have several, the sentence too.
func fingerprint(f finding) string {
	parts := []string{f.rule, f.title, f.container}
	if f.rule == ruleWarning || f.rule == ruleNote {
		parts = append(parts, f.message)
	}
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return hex.EncodeToString(sum[:16])
}
