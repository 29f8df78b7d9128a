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
			"spec.sizing.files", "files are never deleted, so no size is enough: 4Gi fills after 40 d 10 h: delete old files, and set sizing.files.retention to how old they get",
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

// Texts that a files model accepts, and what lies just beyond them.
func TestCompile_TextsOfFiles(t *testing.T) {
	for _, c := range []struct {
		field, text string
		valid       bool
	}{
		{"createdPerMinute", "18", true},
		{"createdPerMinute", "0.000000001", true},
		{"createdPerMinute", "0", false},
		{"createdPerMinute", "0.0", false},
		{"createdPerMinute", "-1", false},
		{"createdPerMinute", "1e3", false},
		{"createdPerMinute", "Inf", false},
		{"createdPerMinute", "many", false},
		{"createdPerMinute", "1234567890", false},
		{"retention", "1ms", true},
		{"retention", "1h30m", true},
		{"retention", "0h", false},
		{"retention", "0s", false},
		{"retention", "1us", false},
		{"retention", "+1h", false},
		{"retention", "-1h", false},
		{"retention", "1d", false},
		{"retention", "1", false},
		{"sweepInterval", "0s", true},
		{"sweepInterval", "5m", true},
		{"sweepInterval", "1us", false},
		{"sweepInterval", "+1h", false},
		{"sweepInterval", "5", false},
		{"overflowProbability", "1e-12", true},
		{"overflowProbability", "0.1", true},
		{"overflowProbability", "9e-13", false},
		{"overflowProbability", "0.11", false},
		{"overflowProbability", "0x1p-4", false},
		{"overflowProbability", "rare", false},
		{"overflowProbability", "0", false},
	} {
		files := map[string]string{"createdPerMinute": "18", "retention": "168h"}
		files[c.field] = c.text
		var fields []string
		for name, text := range files {
			fields = append(fields, name+": '"+text+"'")
		}
		_, errs := policy.Compile(readPolicy(t, "{match: [{podSelector: {}}], sizing: {files: {fileSize: 1500, "+strings.Join(fields, ", ")+"}}}"))
		switch {
		case c.valid && len(errs) > 0:
			t.Errorf("%s %q: %v", c.field, c.text, errs)
		case !c.valid && (len(errs) != 1 || errs[0].Field != "spec.sizing.files."+c.field || errs[0].BadValue != c.text):
			t.Errorf("%s %q: errors %v, want one about it", c.field, c.text, errs)
		}
	}
}

// Quantities and numbers at the bounds of their fields, and beyond them.
func TestCompile_Bounds(t *testing.T) {
	const each = "spec.sizing.units.each"
	for _, c := range []struct {
		spec  string
		field string // of the only error; empty for none
	}{
		{"{match: [{podSelector: {}}], sizing: {fixed: {size: 1}}}", ""},
		{"{match: [{podSelector: {}}], sizing: {fixed: {size: 0}}}", "spec.sizing.fixed.size"},
		{"{match: [{podSelector: {}}], sizing: {fixed: {size: -1}}}", "spec.sizing.fixed.size"},
		{"{match: [{podSelector: {}}], sizing: {fixed: {size: 4Gi}}}", ""},
		{"{match: [{podSelector: {}}], sizing: {fixed: {size: 4294967297}}}", "spec.sizing.fixed.size"},
		{"{match: [{podSelector: {}}], sizing: {fixed: {size: 1Pi}, max: 1Pi}}", ""},
		{"{match: [{podSelector: {}}], sizing: {fixed: {size: 1Gi, fileSize: 1Pi}}}", ""},
		{"{match: [{podSelector: {}}], sizing: {fixed: {size: 1Gi, fileSize: 1125899906842625}}}", "spec.sizing.fixed.fileSize"},
		{"{match: [{podSelector: {}}], sizing: {fixed: {size: 1Gi, fileSize: 0}}}", "spec.sizing.fixed.fileSize"},
		{"{match: [{podSelector: {}}], sizing: {fixed: {size: 1Gi, expectedUsePercent: 100}}}", ""},
		{"{match: [{podSelector: {}}], sizing: {fixed: {size: 1Gi, expectedUsePercent: 101}}}", "spec.sizing.fixed.expectedUsePercent"},
		{"{match: [{podSelector: {}}], sizing: {fixed: {size: 1Gi, expectedUsePercent: -1}}}", "spec.sizing.fixed.expectedUsePercent"},
		{"{match: [{podSelector: {}}], sizing: {memoryPercent: {percent: 1}}}", ""},
		{"{match: [{podSelector: {}}], sizing: {memoryPercent: {percent: 100}}}", ""},
		{"{match: [{podSelector: {}}], sizing: {memoryPercent: {percent: 0}}}", "spec.sizing.memoryPercent.percent"},
		{"{match: [{podSelector: {}}], sizing: {memoryPercent: {percent: 101}}}", "spec.sizing.memoryPercent.percent"},
		{"{match: [{podSelector: {}}], sizing: {fixed: {size: 1Gi}, min: 1Mi}}", ""},
		{"{match: [{podSelector: {}}], sizing: {fixed: {size: 1Mi}, min: 1Mi, max: 1Mi}}", ""},
		{"{match: [{podSelector: {}}], sizing: {fixed: {size: 1Mi}, min: 2Mi, max: 1Mi}}", "spec.sizing"},
		{"{match: [{podSelector: {}}], sizing: {fixed: {size: 1Gi}, min: 0}}", "spec.sizing.min"},
		{"{match: [{podSelector: {}}], sizing: {fixed: {size: 1Gi}, min: 1.5Mi}}", "spec.sizing.min"},
		{"{match: [{podSelector: {}}], sizing: {fixed: {size: 1Gi}, max: 1Pi}}", ""},
		{"{match: [{podSelector: {}}], sizing: {fixed: {size: 1Gi}, max: 1125899907891200}}", "spec.sizing.max"}, // 1Pi and 1Mi
		{"{match: [{podSelector: {}}], sizing: {fixed: {size: 1Gi}, max: 2147483647999m}}", "spec.sizing.max"},
		{"{match: [{podSelector: {}}], sizing: {fixed: {size: 1Gi}, headroomPercent: 0}}", ""},
		{"{match: [{podSelector: {}}], sizing: {fixed: {size: 1Gi}, headroomPercent: 1000}}", ""},
		{"{match: [{podSelector: {}}], sizing: {fixed: {size: 1Gi}, headroomPercent: 1001}}", "spec.sizing.headroomPercent"},
		{"{match: [{podSelector: {}}], sizing: {fixed: {size: 1Gi}, kernelBytesPerFile: 256}}", ""},
		{"{match: [{podSelector: {}}], sizing: {fixed: {size: 1Gi}, kernelBytesPerFile: 255}}", "spec.sizing.kernelBytesPerFile"},
		{"{match: [{podSelector: {}}], sizing: {fixed: {size: 1Gi}, pageSize: 64Ki}}", ""},
		{"{match: [{podSelector: {}}], sizing: {fixed: {size: 1Gi}, pageSize: 16Ki}}", ""},
		{"{match: [{podSelector: {}}], sizing: {fixed: {size: 1Gi}, pageSize: 8Ki}}", "spec.sizing.pageSize"},
		{"{match: [{podSelector: {}}], sizing: {files: {createdPerMinute: '1', fileSize: 1, retention: 1h, nameLength: 255}}}", ""},
		{"{match: [{podSelector: {}}], sizing: {files: {createdPerMinute: '1', fileSize: 1, retention: 1h, nameLength: 256}}}", "spec.sizing.files.nameLength"},
		{"{match: [{podSelector: {}}], sizing: {files: {createdPerMinute: '1', fileSize: 1Pi, retention: 1h}, max: 1Pi}}", ""},
		{"{match: [{podSelector: {}}], sizing: {files: {createdPerMinute: '1', fileSize: 0, retention: 1h}}}", "spec.sizing.files.fileSize"},
		{"{match: [{podSelector: {}}], sizing: {files: {createdPerMinute: '1', fileSize: 1125899906842625, retention: 1h}}}", "spec.sizing.files.fileSize"},
		{"{match: [{podSelector: {}}], sizing: {files: {createdPerMinute: '1', fileSize: 1, retention: 1h, batch: 1000000}}}", ""},
		{"{match: [{podSelector: {}}], sizing: {files: {createdPerMinute: '1', fileSize: 1, retention: 1h, batch: 1000001}}}", "spec.sizing.files.batch"},
		{"{match: [{podSelector: {}}], sizing: {units: {each: 1, count: {literal: 1}}}}", ""},
		{"{match: [{podSelector: {}}], sizing: {units: {base: 0, each: 1, count: {literal: 1}}}}", ""},
		{"{match: [{podSelector: {}}], sizing: {units: {base: -1, each: 1, count: {literal: 1}}}}", "spec.sizing.units.base"},
		{"{match: [{podSelector: {}}], sizing: {units: {each: 0, count: {literal: 1}}}}", each},
		{"{match: [{podSelector: {}}], sizing: {units: {each: 1125899906842625, count: {literal: 1}}}}", each},
		{"{match: [{podSelector: {}}], sizing: {units: {each: 1, count: {literal: 0}}}}", "spec.sizing.units.count.literal"},
		{"{match: [{podSelector: {}}], sizing: {units: {each: 1, count: {annotation: a, absent: 0}}}}", ""},
		{"{match: [{podSelector: {}}], sizing: {units: {each: 1, count: {annotation: a, absent: -1}}}}", "spec.sizing.units.count.absent"},
		{"{match: [{podSelector: {}}], sizing: {units: {each: 1, count: {literal: 1, absent: 1}}}}", "spec.sizing.units.count.absent"},
		{"{match: [{podSelector: {}}], sizing: {units: {each: 1, count: {literal: 1, annotation: a}}}}", "spec.sizing.units.count"},
		{"{match: [{podSelector: {}}], sizing: {units: {each: 1, count: {}}}}", "spec.sizing.units.count"},
		{"{match: [{podSelector: {}}], sizing: {units: {each: 1, count: {annotation: ''}}}}", "spec.sizing.units.count.annotation"},
		{"{match: [{podSelector: {}}], sizing: {fixed: {size: 1Gi}, memoryPercent: {percent: 1}}}", "spec.sizing"},
		{"{match: [{podSelector: {}}], sizing: {}}", "spec.sizing"},
		{"{match: [{podSelector: {}}], sizing: {fixed: {size: 1Gi}}, memory: {reserve: 0}}", ""},
		{"{match: [{podSelector: {}}], sizing: {fixed: {size: 1Gi}}, memory: {reserve: 1Pi}}", ""},
		{"{match: [{podSelector: {}}], sizing: {fixed: {size: 1Gi}}, memory: {reserve: 1125899906842625}}", "spec.memory.reserve"},
		{"{match: [{podSelector: {}}], sizing: {fixed: {size: 1Gi}}, bindMountOptions: [noexec, nodev, nosuid]}", ""},
		{"{match: [{podSelector: {}}], sizing: {fixed: {size: 1Gi}}, bindMountOptions: [noexec, nodev, noexec]}", "spec.bindMountOptions"},
		{"{match: [{podSelector: {}}], sizing: {fixed: {size: 1Gi}}, bindMountOptions: []}", "spec.bindMountOptions"},
		{"{match: [], sizing: {fixed: {size: 1Gi}}}", "spec.match"},
		{"{sizing: {fixed: {size: 1Gi}}}", "spec.match"},
		{"{match: [{}], sizing: {fixed: {size: 1Gi}}}", "spec.match[0]"},
		{"{match: [{mounted: true}], sizing: {fixed: {size: 1Gi}}}", ""},
		{"{match: [{mounted: false}], sizing: {fixed: {size: 1Gi}}}", "spec.match[0].mounted"},
	} {
		_, errs := policy.Compile(readPolicy(t, c.spec))
		switch {
		case c.field == "" && len(errs) > 0:
			t.Errorf("%s: %v", c.spec, errs)
		case c.field != "" && (len(errs) != 1 || errs[0].Field != c.field):
			t.Errorf("%s: errors %v, want one of %s", c.spec, errs, c.field)
		}
	}
}
