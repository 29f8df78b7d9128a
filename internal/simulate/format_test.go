package simulate

import (
	"math"
	"testing"
	"time"
)

func TestNumbersAreWrittenForReaders(t *testing.T) {
	for sentence, c := range map[string]struct{ got, want string }{
		"three digits stand alone":                    {grouped(999), "999"},
		"four digits have a comma":                    {grouped(1000), "1,000"},
		"seven have two":                              {grouped(1234567), "1,234,567"},
		"the least integer keeps its sign":            {grouped(math.MinInt64), "-9,223,372,036,854,775,808"},
		"nearly full is not full":                     {percent(16383, 16384), "99 %"},
		"full is full":                                {percent(16384, 16384), "100 %"},
		"a part of nothing is no percentage":          {percent(0, 0), "-"},
		"hours go with minutes":                       {humanDuration(15*time.Hour + 10*time.Minute + 17*time.Second), "15 h 10 min"},
		"days go with hours":                          {humanDuration(2*day + 12*time.Hour + 59*time.Minute), "2 d 12 h"},
		"whole days go alone":                         {humanDuration(7*day + 59*time.Minute), "7 d"},
		"seconds go alone":                            {humanDuration(4999 * time.Millisecond), "4 s"},
		"less than a second is told in full":          {humanDuration(250 * time.Millisecond), "250ms"},
		"a size in whole MiB":                         {Volume{"", 897 * mib}.Size(), "897Mi"},
		"a size in whole GiB":                         {Volume{"", 2048 * mib}.Size(), "2Gi"},
		"a size of odd bytes":                         {Volume{"", 100001}.Size(), "100001"},
		"a label has the name and the size":           {Volume{"default", 64 * mib}.Label(), "default 64Mi"},
		"a name that ends in the size has it once":    {Volume{"default 64Mi", 64 * mib}.Label(), "default 64Mi"},
		"a name that is the size has it once":         {Volume{"64Mi", 64 * mib}.Label(), "64Mi"},
		"164Mi does not end in the size 64Mi":         {Volume{"164Mi", 64 * mib}.Label(), "164Mi 64Mi"},
		"two days are shown in days":                  {UnitFor(2 * day).String(), "day"},
		"less than two days is shown in hours":        {UnitFor(2*day - 1).String(), "hour"},
		"less than two hours is shown in minutes":     {UnitFor(2*time.Hour - 1).String(), "minute"},
		"a unit of another length is called that":     {Unit(90 * time.Second).String(), "1m30s"},
		"mebibytes have one decimal":                  {mebibytes(744_488_960), "710.0"},
		"a size in whole TiB":                         {Volume{"", 1 << 40}.Size(), "1Ti"},
		"no size is 0 of no unit":                     {Volume{"", 0}.Size(), "0"},
		"a volume without a name is called its size":  {Volume{"", 64 * mib}.Label(), "64Mi"},
		"a minute and some seconds":                   {humanDuration(65 * time.Second), "1 min 5 s"},
		"nothing below the smaller unit is mentioned": {humanDuration(time.Hour + 59*time.Second), "1 h"},
	} {
		t.Run(sentence, func(t *testing.T) {
			if c.got != c.want {
				t.Errorf("got %q, want %q", c.got, c.want)
			}
		})
	}
}
