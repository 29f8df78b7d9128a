package review

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"

	"github.com/shmkeeper/shmkeeper/cmd/kubectl-shm/internal/reviewer"
	"github.com/shmkeeper/shmkeeper/policy"
)

// JUnit's XML, as CI systems read it: a suite for each file, a test case for each object.
type (
	junitSuites struct {
		XMLName  xml.Name      `xml:"testsuites"`
		Name     string        `xml:"name,attr"`
		Tests    int           `xml:"tests,attr"`
		Failures int           `xml:"failures,attr"`
		Errors   int           `xml:"errors,attr"`
		Skipped  int           `xml:"skipped,attr"`
		Suites   []*junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name     string      `xml:"name,attr"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Errors   int         `xml:"errors,attr"`
		Skipped  int         `xml:"skipped,attr"`
		Cases    []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Name      string        `xml:"name,attr"`
		ClassName string        `xml:"classname,attr"`
		File      string        `xml:"file,attr,omitempty"`
		Line      int           `xml:"line,attr,omitempty"`
		Failure   *junitProblem `xml:"failure"`
		Error     *junitProblem `xml:"error"`
		Skipped   *junitSkipped `xml:"skipped"`
		Out       string        `xml:"system-out,omitempty"`
	}
	junitProblem struct {
		Message string `xml:"message,attr"`
		Type    string `xml:"type,attr"`
		Text    string `xml:",chardata"`
	}
	junitSkipped struct {
		Message string `xml:"message,attr"`
	}
)

// add adds a test case to the suite of its file.
func (s *junitSuites) add(c junitCase) {
	var suite *junitSuite
	for _, known := range s.Suites {
		if known.Name == c.ClassName {
			suite = known
		}
	}
	if suite == nil {
		suite = &junitSuite{Name: c.ClassName}
		s.Suites = append(s.Suites, suite)
	}
	suite.Cases = append(suite.Cases, c)
	suite.Tests, s.Tests = suite.Tests+1, s.Tests+1
	switch {
	case c.Error != nil:
		suite.Errors, s.Errors = suite.Errors+1, s.Errors+1
	case c.Failure != nil:
		suite.Failures, s.Failures = suite.Failures+1, s.Failures+1
	case c.Skipped != nil:
		suite.Skipped, s.Skipped = suite.Skipped+1, s.Skipped+1
	}
}

func (v *review) writeJUnit(w io.Writer) error {
	all := &junitSuites{Name: "kubectl shm review"}
	for _, f := range v.invalid() {
		all.add(junitCase{
			Name: fmt.Sprintf("line %d can be read", max(f.line, 1)), ClassName: f.file, File: f.file, Line: f.line,
			Error: &junitProblem{Message: f.message, Type: f.rule},
		})
	}
	for i := range v.results {
		all.add(v.junitCase(&v.results[i]))
	}
	text, err := xml.MarshalIndent(all, "", "  ")
	if err != nil {
		return fmt.Errorf("write XML: %w", err)
	}
	fmt.Fprintf(w, "%s%s\n", xml.Header, text)
	return nil
}

func (v *review) junitCase(r *reviewer.Result) junitCase {
	file, line := v.in.Place(r.Object, "")
	c := junitCase{Name: r.Title(), ClassName: file, File: file, Line: line}
	said := sentences(*r)
	switch {
	case v.fails(*r):
		kind := string(r.Reason)
		if id := r.Reason.ID(); id != "" {
			kind = id + " " + kind
		}
		c.Failure = &junitProblem{Message: said[0], Type: kind, Text: strings.Join(said, "\n")}
		return c
	case r.Outcome == policy.NotMatched, r.Outcome == policy.Skipped, r.Outcome == policy.Exempt:
		c.Skipped = &junitSkipped{Message: r.Detail}
	}
	c.Out = strings.Join(said, "\n")
	return c
}
