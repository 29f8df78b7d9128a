package human_test

import (
	"math"
	"testing"

	"github.com/shmkeeper/shmkeeper/internal/human"
)

func TestFigures(t *testing.T) {
	for sentence, c := range map[string]struct{ got, want string }{
		"three digits stand alone":                {human.Count(999), "999"},
		"four digits have a comma":                {human.Count(1000), "1,000"},
		"seven have two":                          {human.Count(1234567), "1,234,567"},
		"the least integer keeps its sign":        {human.Count(math.MinInt64), "-9,223,372,036,854,775,808"},
		"a whole number has no decimals":          {human.Decimal(181530), "181,530"},
		"decimals are at most three":              {human.Decimal(1234.56789), "1,234.568"},
		"decimals that are nothing are left out":  {human.Decimal(0.5), "0.5"},
		"what a binary fraction leaves is no one": {human.Decimal(0.1 + 0.2), "0.3"},
		"mebibytes have one decimal":              {human.MiB(744_488_960), "710.0"},
		"mebibytes have commas":                   {human.MiB(4105<<20 + 400<<10), "4,105.4"},
		"half a tenth is rounded to the even one": {human.MiB(1 << 18), "0.2"},
		"nearly full is not full":                 {human.Percent(16383, 16384), "99 %"},
		"full is full":                            {human.Percent(16384, 16384), "100 %"},
		"a part of nothing is not a percentage":   {human.Percent(0, 0), "-"},
		"one thing is singular":                   {human.Plural(1, "policy"), "1 policy"},
		"no things are plural":                    {human.Plural(0, "policy"), "0 policies"},
		"a value is quoted":                       {human.Quote("a\n", 2), `"a\n"`},
		"a long value is cut":                     {human.Quote("abc", 2), `"ab"...`},
		"no character is cut in two":              {human.Quote("aé", 2), `"a"...`},
	} {
		if c.got != c.want {
			t.Errorf("%s: got %q, want %q", sentence, c.got, c.want)
		}
	}
}
