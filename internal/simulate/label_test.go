package simulate

import (
	"testing"
	"time"
)

func TestLabelsAndUnits(t *testing.T) {
	for sentence, c := range map[string]struct{ got, want string }{
		"a size in whole MiB":                        {Volume{"", 897 * mib}.Size(), "897Mi"},
		"a size in whole GiB":                        {Volume{"", 2048 * mib}.Size(), "2Gi"},
		"a size of odd bytes":                        {Volume{"", 100001}.Size(), "100001"},
		"a label has the name and the size":          {Volume{"default", 64 * mib}.Label(), "default 64Mi"},
		"a name that ends in the size has it once":   {Volume{"default 64Mi", 64 * mib}.Label(), "default 64Mi"},
		"a name that is the size has it once":        {Volume{"64Mi", 64 * mib}.Label(), "64Mi"},
		"164Mi does not end in the size 64Mi":        {Volume{"164Mi", 64 * mib}.Label(), "164Mi 64Mi"},
		"two days are shown in days":                 {UnitFor(2 * day).String(), "day"},
		"less than two days is shown in hours":       {UnitFor(2*day - 1).String(), "hour"},
		"less than two hours is shown in minutes":    {UnitFor(2*time.Hour - 1).String(), "minute"},
		"a unit of another length is called that":    {Unit(90 * time.Second).String(), "1m30s"},
		"a size in whole TiB":                        {Volume{"", 1 << 40}.Size(), "1Ti"},
		"no size is 0 of no unit":                    {Volume{"", 0}.Size(), "0"},
		"a volume without a name is called its size": {Volume{"", 64 * mib}.Label(), "64Mi"},
	} {
		t.Run(sentence, func(t *testing.T) {
			if c.got != c.want {
				t.Errorf("got %q, want %q", c.got, c.want)
			}
		})
	}
}
