package policy_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/shmkeeper/shmkeeper/policy"
	"github.com/shmkeeper/shmkeeper/policy/sizing"
)

// A policy has a size of its own if no Pod changes it.
func TestPolicy_Size(t *testing.T) {
	for name, c := range map[string]struct {
		spec string
		want sizing.Bytes // 0 for none
	}{
		"fixed":                {"{match: [{podSelector: {}}], sizing: {fixed: {size: 256Mi}}}", 256 * sizing.MiB},
		"files":                {"{match: [{podSelector: {}}], sizing: {files: {createdPerMinute: '18', retention: 168h, fileSize: 1500}}}", 897 * sizing.MiB},
		"a literal count":      {"{match: [{podSelector: {}}], sizing: {units: {base: 40Mi, each: 64Mi, count: {literal: 4}}}}", 296 * sizing.MiB},
		"a count from the Pod": {"{match: [{podSelector: {}}], sizing: {units: {each: 64Mi, count: {annotation: cameras}}}}", 0},
		"a share of memory":    {"{match: [{podSelector: {}}], sizing: {memoryPercent: {percent: 50}}}", 0},
		"no sizing":            {"{match: [{podSelector: {}}]}", 0},
	} {
		t.Run(name, func(t *testing.T) {
			size, ok := mustCompile(t, readPolicy(t, c.spec)).Size()
			if size.Limit != c.want || ok != (c.want > 0) {
				t.Errorf("%s, %t; want %s", size.Limit, ok, c.want)
			}
		})
	}
}

// A size that is not enough is said with the field to change.
func TestPolicy_SizeWarning(t *testing.T) {
	const filling = "256Mi fills after 2 d 12 h, as 717.0Mi are required: raise sizing.max, or shorten sizing.files.retention"
	for name, c := range map[string]struct{ spec, field, message string }{
		"files that do not fit": {
			"{match: [{podSelector: {}}], sizing: {files: {createdPerMinute: '18', retention: 168h, fileSize: 1500}, max: 256Mi}}",
			"spec.sizing.max", filling,
		},
		"files that are never deleted": {
			"{match: [{podSelector: {}}], sizing: {files: {createdPerMinute: '18', fileSize: 1500}}}",
			"spec.sizing.files", "files are never deleted, so no size is enough: 4Gi fills after 40 d 10 h: delete old files, and say by sizing.files.retention how old they get",
		},
		"units that do not fit": { // 40Mi and 100 x 64Mi
			"{match: [{podSelector: {}}], sizing: {units: {base: 40Mi, each: 64Mi, count: {literal: 100}}}}",
			"spec.sizing.max", "4Gi is less than the 6440Mi that are required: raise sizing.max",
		},
		"a size that is enough":     {"{match: [{podSelector: {}}], sizing: {fixed: {size: 256Mi}}}", "", ""},
		"files that fit":            {"{match: [{podSelector: {}}], sizing: {files: {createdPerMinute: '18', retention: 168h, fileSize: 1500}}}", "", ""},
		"a size that needs a Pod":   {"{match: [{podSelector: {}}], sizing: {memoryPercent: {percent: 50}}}", "", ""},
		"a policy that only checks": {"{match: [{podSelector: {}}]}", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			field, message := mustCompile(t, readPolicy(t, c.spec)).SizeWarning()
			if field != c.field || message != c.message {
				t.Errorf("got  %s: %s\nwant %s: %s", field, message, c.field, c.message)
			}
		})
	}
}

// Every entry of a list is looked at, whatever is wrong with the ones before.
func TestCompile_AllErrorsOfAList(t *testing.T) {
	const (
		image = "must be a repository without tag or digest"
		glob  = "is not a glob"
	)
	tooLong := strings.Repeat("a", 256)
	for name, c := range map[string]struct {
		spec string
		want []string
	}{
		"images": {
			"{match: [{images: [" + tooLong + ", 'a:1', '', 'a@sha256', 'registry:5000/a', '[', " + tooLong + ", 'b:2']}], sizing: {fixed: {size: 1Gi}}}",
			[]string{
				"spec.match[0].images[0]: Too long", "spec.match[0].images[1]: " + image, "spec.match[0].images[2]: " + image,
				"spec.match[0].images[3]: " + image, "spec.match[0].images[5]: " + glob, "spec.match[0].images[6]: Too long",
				"spec.match[0].images[7]: " + image,
			},
		},
		"writers": {
			"{match: [{podSelector: {}}], writers: {names: [" + tooLong + ", '', '[', '', " + tooLong + "]}, sizing: {fixed: {size: 1Gi}}}",
			[]string{
				"spec.writers.names[0]: Too long", "spec.writers.names[1]: must not be empty", "spec.writers.names[2]: " + glob,
				"spec.writers.names[3]: must not be empty", "spec.writers.names[4]: Too long",
			},
		},
		"resources": {
			"{match: [{podSelector: {}}], sizing: {units: {each: 1Mi, count: {resources: ['', '[', '', 'a/b', '[']}}}}",
			[]string{
				"spec.sizing.units.count.resources[0]: must be the name of a resource", "spec.sizing.units.count.resources[1]: " + glob,
				"spec.sizing.units.count.resources[2]: must be the name of a resource", "spec.sizing.units.count.resources[4]: " + glob,
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, errs := policy.Compile(readPolicy(t, c.spec))
			var got []string
			for i, err := range errs {
				text := err.Field + ": " + err.Detail
				if strings.HasPrefix(string(err.Type), "FieldValueTooLong") {
					text = err.Field + ": Too long"
				}
				if i < len(c.want) && strings.HasPrefix(text, c.want[i]) {
					text = c.want[i]
				}
				got = append(got, text)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}
