//go:build chaos && linux

package chaos

import (
	"fmt"
	"strings"
	"time"

	"github.com/shmkeeper/shmkeeper/test/section"
)

// human returns a duration as the table has it.
func human(d time.Duration) string {
	if d < 10*time.Second {
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	return fmt.Sprintf("%.0f s", d.Seconds())
}

// orNothing returns a duration as the table has it; "" for none.
func orNothing(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return human(d)
}

// may says in words what an allowance allows.
func (a allowance) may() string {
	switch {
	case a.rejects && a.outage:
		return "in enforce; the API server fails too"
	case a.rejects:
		return "in enforce"
	case a.elsewhere:
		return "elsewhere"
	case a.outage:
		return "none; the API server fails"
	}
	return "none"
}

// table returns the results in Markdown, one row for each scenario: of several runs the worst.
func table(scenarios []scenario, rows map[string][]row) string {
	var b strings.Builder
	b.WriteString("| what happens | Pods that may be rejected | Pods not created | within | not judged for | recovered in |\n|---|---|---|---|---|---|\n")
	for i := range scenarios {
		var worst figures
		for _, r := range rows[scenarios[i].name] {
			worst.rejected = max(worst.rejected, r.rejected)
			worst.created = max(worst.created, r.created)
			worst.outage = max(worst.outage, r.outage)
			worst.recovery = max(worst.recovery, r.recovery)
			worst.unjudged = max(worst.unjudged, r.unjudged)
		}
		fmt.Fprintf(&b, "| %s | %s | %d of %d | %s | %s | %s |\n", scenarios[i].name, scenarios[i].may(),
			worst.rejected, worst.rejected+worst.created, orNothing(worst.outage), orNothing(worst.unjudged), human(worst.recovery))
	}
	return b.String()
}

// docs is where the table stands in docs/explanation/resilience.md.
var docs = section.Section{Begin: "<!-- chaos: make chaos UPDATE=1 -->\n", End: "<!-- end of chaos -->\n"}
