package sdk

import (
	"strings"
	"testing"
	"unicode/utf8"
)

const conditional = `
name = "transform"
version = "0.1.0"
role = "filter"
summary = "an ensemble transform"

[[param]]
name = "scheme"
type = "string"
default = "global"
choices = ["global", "local", "serial"]
doc = "of the analysis"

[[param]]
name = "input"
type = "string"
default = "predicted"
choices = ["predicted", "simulated"]
doc = "what the gain is made of"

[[param]]
name = "order"
type = "ints"
default = [0]
when = { scheme = ["serial"] }
doc = "in which observations are taken, a list of their numbers that is longer than one line of a terminal"

[[param]]
name = "cutoff"
type = "float"
default = 0
when = { input = ["predicted"], scheme = ["local", "serial"] }
unit = "km"
doc = "of the taper"

[[param]]
name = "inflation"
type = "float"
default = 1.0
doc = "of anomalies"
`

func TestCheckWhen(t *testing.T) {
	m := parse(t, conditional)
	for _, tt := range []struct {
		name  string
		given map[string]any
		want  string // "": it passes
	}{
		{"cutoff", map[string]any{"scheme": "local", "cutoff": 2.0}, ""},
		{"cutoff", map[string]any{"scheme": "serial", "input": "predicted", "cutoff": 2.0}, ""},
		{"cutoff", map[string]any{"scheme": "global", "cutoff": int64(0)}, ""},
		{"cutoff", map[string]any{"scheme": "global"}, ""},
		{"order", map[string]any{"order": []any{0.0}}, ""},
		{"inflation", map[string]any{"inflation": 2.0}, ""},
		{"cutoff", map[string]any{"cutoff": "wide"}, ""},                    // Resolve refuses it,
		{"cutoff", map[string]any{"scheme": "lokal", "cutoff": 2.0}, ""},    // and this scheme,
		{"cutofff", map[string]any{"scheme": "global", "cutofff": 2.0}, ""}, // and this name
		{"cutoff", map[string]any{"scheme": "global", "cutoff": 2.0},
			`cutoff: applies only with scheme = "local" or "serial", but scheme is "global"; leave it at its default, 0, or set scheme = "local" or "serial"`},
		{"cutoff", map[string]any{"cutoff": 2.0}, `but scheme is by default "global"; `},
		{"cutoff", map[string]any{"scheme": "local", "input": "simulated", "cutoff": 2.0},
			`cutoff: applies only with input = "predicted", but input is "simulated"; leave it at its default, 0, or set input = "predicted"`},
		{"order", map[string]any{"scheme": "local", "order": []any{0.0, 1.0}}, `order: applies only with scheme = "serial", but scheme is "local"`},
	} {
		err := m.CheckWhen(tt.name, tt.given)
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%v: got %v, want %q", tt.given, err, tt.want)
		}
		if err != nil && KindOf(err) != KindConfig {
			t.Errorf("%v: kind %q", tt.given, KindOf(err))
		}
	}
}

// Values that were resolved pass for what they were given as.
func TestResolvedParametersApply(t *testing.T) {
	m := parse(t, conditional)
	for _, scheme := range []string{"global", "local", "serial"} {
		params, err := m.accept(map[string]any{"scheme": scheme})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := m.accept(params); err != nil {
			t.Errorf("%s: %v", scheme, err)
		}
	}
}

func TestPluginsRefuseWhatDoesNotApply(t *testing.T) {
	p, err := FilterPlugin(conditional, func(FilterConfig) (Filter, error) { return nil, nil })
	if err != nil {
		t.Fatal(err)
	}
	_, err = p.NewFilter(t.Context(), FilterConfig{Params: Params{"cutoff": 2.0, "order": []any{1.0}, "inflation": -1.0, "width": 1.0}})
	for _, want := range []string{"width: transform has no such parameter", "cutoff: applies only with scheme", "order: applies only with scheme"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

func TestWhenRefusals(t *testing.T) {
	for _, tt := range []struct{ name, old, new, want string }{
		{"unknown", `when = { scheme = ["serial"] }`, `when = { schema = ["serial"] }`, "param order: when: schema is not a parameter listed before it"},
		{"itself", `when = { scheme = ["serial"] }`, `when = { order = ["serial"] }`, "param order: when: order is not a parameter listed before it"},
		{"later", `when = { scheme = ["serial"] }`, `when = { inflation = ["serial"] }`, "param order: when: inflation is not a parameter listed before it"},
		{"no choices", `when = { input = ["predicted"], scheme`, `when = { order = ["1"], scheme`, "param cutoff: when: order has no choices"},
		{"unknown choice", `["local", "serial"] }`, `["local", "seriell"] }`, `param cutoff: when: scheme has no choice "seriell", it has global, local, serial`},
		{"no list", `when = { scheme = ["serial"] }`, `when = { scheme = [] }`, "param order: when: want a list of choices for scheme"},
		{"required", "default = 0\n", "required = true\n", "param cutoff: when requires a default"},
		{"a word", `when = { scheme = ["serial"] }`, `when = { scheme = "serial" }`, "plugin.toml: toml: "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			text := strings.Replace(conditional, tt.old, tt.new, 1)
			if text == conditional {
				t.Fatalf("%q does not stand in the manifest", tt.old)
			}
			if _, err := ParseManifest(text); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

// Parameters stand under when they apply, those that always do first, and fit a terminal.
func TestDescribe(t *testing.T) {
	const want = `transform 0.1.0, a filter plugin
an ensemble transform

parameters
  scheme
      one of global, local, serial; default "global"
      of the analysis
  input
      one of predicted, simulated; default "predicted"
      what the gain is made of
  inflation
      a number; default 1
      of anomalies

parameters with scheme = serial
  order
      a list of integers; default [0]
      in which observations are taken, a list of their numbers that is longer
      than one line of a terminal

parameters with scheme = local or serial and input = predicted
  cutoff
      a number; default 0; unit: km
      of the taper
`
	got := parse(t, conditional).Describe()
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	for _, line := range strings.Split(got, "\n") {
		if utf8.RuneCountInString(line) > 80 {
			t.Errorf("more than 80 columns: %s", line)
		}
	}
}

func TestMarkdown(t *testing.T) {
	const want = "| parameter | values | default | unit | meaning |\n" +
		"|---|---|---|---|---|\n" +
		"| `scheme` | one of global, local, serial | `\"global\"` |  | of the analysis |\n" +
		"| `input` | one of predicted, simulated | `\"predicted\"` |  | what the gain is made of |\n" +
		"| `inflation` | a number | `1` |  | of anomalies |\n" +
		"| **with scheme = serial** | | | | |\n" +
		"| `order` | a list of integers | `[0]` |  | in which observations are taken, a list of their numbers that is longer than one line of a terminal |\n" +
		"| **with scheme = local or serial and input = predicted** | | | | |\n" +
		"| `cutoff` | a number | `0` | km | of the taper |\n"
	if got := parse(t, conditional).Markdown(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
