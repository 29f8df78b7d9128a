package manifest

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

type settings struct {
	metav1.TypeMeta `json:",inline"`
	PodSelector     map[string]string `json:"podSelector,omitempty"`
	Retention       metav1.Duration   `json:"retention,omitempty"`
	Interval        *metav1.Duration  `json:"interval,omitempty"`
	Share           *int32            `json:"share,omitempty"`
	Small           uint8             `json:"small,omitempty"`
	Key             []byte            `json:"key,omitempty"`
	Ratio           float64           `json:"ratio,omitempty"`
	Any             any               `json:"any,omitempty"`
	Mode            string            `json:"mode,omitempty"`
}

func TestDecode_NamesTheField(t *testing.T) {
	const pod = "apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - name: c\n"
	const set = "apiVersion: x/v1\nkind: S\n"
	cases := map[string]struct {
		in   string
		into any
		lax  bool
		want string
	}{
		"a Pod that fits":                    {in: pod + "    resources: {limits: {memory: 256Mi, cpu: 1}}\n", into: &corev1.Pod{}},
		"an invalid quantity":                {in: pod + "    resources:\n      limits:\n        memory: 12Q\n", into: &corev1.Pod{}, want: `in.yaml:8: spec.containers[0].resources.limits.memory: "12Q" is not a quantity: write a quantity such as 512Mi`},
		"a quantity with a long exponent":    {in: pod + "    resources: {limits: {memory: 1e2147483647}}\n", into: &corev1.Pod{}, want: `in.yaml:6: spec.containers[0].resources.limits.memory: "1e2147483647" is beyond what Kubernetes can count: write a quantity such as 512Mi`},
		"a quantity beyond all others":       {in: pod + "    resources: {limits: {memory: 1e400}}\n", into: &corev1.Pod{}, want: `in.yaml:6: spec.containers[0].resources.limits.memory: "1e400" is beyond what Kubernetes can count: write a quantity such as 512Mi`},
		"a quantity that is a mapping":       {in: pod + "    resources: {limits: {memory: {}}}\n", into: &corev1.Pod{}, want: `in.yaml:6: spec.containers[0].resources.limits.memory: a mapping is not a quantity: write a quantity such as 512Mi`},
		"a key that is not a plain word":     {in: pod + "    resources: {limits: {nvidia.com/gpu: x}}\n", into: &corev1.Pod{}, want: `in.yaml:6: spec.containers[0].resources.limits["nvidia.com/gpu"]: "x" is not a quantity: write a quantity such as 512Mi`},
		"a duration in days":                 {in: set + "retention: 7d\ninterval: \"5\"\n", into: &settings{}, want: "in.yaml:3: retention: \"7d\" is not a duration: write a duration such as 168h; days are not a unit\nin.yaml:4: interval: \"5\" is not a duration: write a duration such as 168h; days are not a unit"},
		"a number in quotes":                 {in: set + "share: \"7\"\n", into: &settings{}, want: `in.yaml:3: share: "7" is a string and not a whole number: write it without quotes`},
		"a number with a fraction":           {in: set + "share: 1.5\n", into: &settings{}, want: `in.yaml:3: share: "1.5" is not a whole number: write a whole number without quotes`},
		"a number that does not fit":         {in: set + "share: 4294967296\nsmall: 256\n", into: &settings{}, want: "in.yaml:3: share: \"4294967296\" does not fit: write a whole number from -2147483648 to 2147483647\nin.yaml:4: small: \"256\" does not fit: write a whole number from 0 to 255"},
		"a number of many digits":            {in: pod + "    ports: [{containerPort: 123456789012345678901}]\n", into: &corev1.Pod{}, want: `in.yaml:6: spec.containers[0].ports[0].containerPort: "123456789012345678901" does not fit: write a whole number from -2147483648 to 2147483647`},
		"a number that no float holds":       {in: "{\"apiVersion\": \"x/v1\", \"kind\": \"S\",\n\"any\": 1e400, \"ratio\": 1e400}\n", into: &settings{}, want: "in.yaml:2: any: \"1e400\" does not fit: write a value that JSON can hold\nin.yaml:2: ratio: \"1e400\" is not a number that fits: write a number without quotes"},
		"a string that is a number":          {in: pod + "    image: 7\n", into: &corev1.Pod{}, want: `in.yaml:6: spec.containers[0].image: "7" is not a string: put it in quotes`},
		"a string that is a boolean":         {in: pod + "    env: [{name: A, value: True}]\n", into: &corev1.Pod{}, want: `in.yaml:6: spec.containers[0].env[0].value: "True" is not a string: put it in quotes`},
		"a word that YAML takes for true":    {in: pod + "    image: y\n", into: &corev1.Pod{}, want: `in.yaml:6: spec.containers[0].image: "y" is not a string, since YAML reads an unquoted y, yes or on as true: put it in quotes`},
		"a word that YAML takes for false":   {in: set + "podSelector: {a: Off}\n", into: &settings{}, want: `in.yaml:3: podSelector.a: "Off" is not a string, since YAML reads an unquoted n, no or off as false: put it in quotes`},
		"a word where a number belongs":      {in: set + "share: on\n", into: &settings{}, want: `in.yaml:3: share: "on" is not a whole number, since YAML reads an unquoted y, yes or on as true: write a whole number without quotes`},
		"an octal number for a string":       {in: pod + "    image: 0777\n", into: &corev1.Pod{}, want: `in.yaml:6: spec.containers[0].image: "0777" is not a string, since YAML reads it as the number 511: put it in quotes`},
		"a number of JSON is as it is":       {in: "{\"apiVersion\": \"v1\", \"kind\": \"Pod\", \"spec\": {\"nodeName\": 1e3}}", into: &corev1.Pod{}, want: `in.yaml:1: spec.nodeName: "1e3" is not a string: put it in quotes`},
		"a string that is a list":            {in: pod + "    image: [a]\n", into: &corev1.Pod{}, want: `in.yaml:6: spec.containers[0].image: a list is not a string: write a string`},
		"a boolean in quotes":                {in: pod + "    tty: \"true\"\n", into: &corev1.Pod{}, want: `in.yaml:6: spec.containers[0].tty: "true" is not true or false: write true or false without quotes`},
		"a list that is a mapping":           {in: pod + "    env: {A: b}\n", into: &corev1.Pod{}, want: `in.yaml:6: spec.containers[0].env: a mapping is not a list: begin each element with "- "`},
		"a mapping that is a string":         {in: pod + "    resources: big\n", into: &corev1.Pod{}, want: `in.yaml:6: spec.containers[0].resources: "big" is not a mapping: write it with keys and values`},
		"an invalid time":                    {in: "apiVersion: v1\nkind: Pod\nmetadata: {creationTimestamp: soon}\n", into: &corev1.Pod{}, want: `in.yaml:3: metadata.creationTimestamp: "soon" is not a time: write a time such as 2006-01-02T15:04:05Z`},
		"a port that is neither of two":      {in: pod + "    livenessProbe: {httpGet: {port: [1]}}\n", into: &corev1.Pod{}, want: `in.yaml:6: spec.containers[0].livenessProbe.httpGet.port: a list is neither a number nor a string: write one of them`},
		"bytes that are not base64":          {in: set + "key: '*'\n", into: &settings{}, want: `in.yaml:3: key: "*" is not base64 text: encode the bytes as base64`},
		"an unknown field near a known one":  {in: set + "podselector: {}\nretentoin: 1h\n", into: &settings{}, want: "in.yaml:3: podselector: unknown field: did you mean \"podSelector\"?\nin.yaml:4: retentoin: unknown field: did you mean \"retention\"?"},
		"an unknown field near none":         {in: pod + "    foo: 1\n", into: &corev1.Pod{}, want: `in.yaml:6: spec.containers[0].foo: unknown field: remove it or correct its spelling`},
		"an optional text that is empty":     {in: set + "mode: ''\n", into: &settings{}, want: `in.yaml:3: mode: "" is empty: write a value, or leave the field out for its default`},
		"one of another package's types":     {in: "apiVersion: v1\nkind: Pod\nmetadata: {generateName: ''}\n", into: &corev1.Pod{}},
		"an empty text passes when lax":      {in: set + "mode: ''\n", into: &settings{}, lax: true},
		"an unknown field passes when lax":   {in: pod + "    foo: 1\n", into: &corev1.Pod{}, lax: true},
		"an item of a List":                  {in: "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Pod\n  spec: {nodeName: 1}\n", into: &corev1.Pod{}, want: `in.yaml:6: items[0].spec.nodeName: "1" is not a string: put it in quotes`},
		"a template":                         {in: "apiVersion: apps/v1\nkind: Deployment\nspec: {replicas: many}\n", into: &appsv1.Deployment{}, want: `in.yaml:3: spec.replicas: "many" is not a whole number: write a whole number without quotes`},
		"null anywhere is no value at all":   {in: "apiVersion: v1\nkind: Pod\nmetadata: ~\nspec: {containers: ~, nodeName: ~, activeDeadlineSeconds: ~, overhead: {memory: ~}}\n", into: &corev1.Pod{}},
		"into that is not a pointer":         {in: set, into: settings{}, want: "manifest.Decode: into is not a pointer to decode into"},
		"more mistakes than anybody can use": {in: set + "podSelector:\n" + strings.Repeat("  ", 1) + "a: 1\n", into: &settings{}, want: `in.yaml:4: podSelector.a: "1" is not a string: put it in quotes`},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			objects, err := one(t, c.in).Objects()
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, text(Decode(objects[0], c.into, !c.lax))); diff != "" {
				t.Errorf("error (-want +got):\n%s", diff)
			}
		})
	}
}

func TestDecode_WithoutADocument(t *testing.T) {
	o := Object{JSON: []byte(`{"share":1,"share":2}`)}
	var into settings
	want := `key "share" is given twice in one mapping: remove one of them`
	if diff := cmp.Diff(want, text(Decode(o, &into, true))); diff != "" {
		t.Errorf("error (-want +got):\n%s", diff)
	}
	if into.Share != nil {
		t.Error("a decode that failed left something behind")
	}
}

func TestDecode_FillsTheObject(t *testing.T) {
	objects, err := one(t, "apiVersion: x/v1\nkind: S\nshare: 7\npodSelector: {a: b}\n").Objects()
	if err != nil {
		t.Fatal(err)
	}
	var got settings
	if err := Decode(objects[0], &got, true); err != nil {
		t.Fatal(err)
	}
	seven := int32(7)
	want := settings{TypeMeta: metav1.TypeMeta{APIVersion: "x/v1", Kind: "S"}, Share: &seven, PodSelector: map[string]string{"a": "b"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("object (-want +got):\n%s", diff)
	}
}
